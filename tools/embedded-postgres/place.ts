import { chown, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Writes files that only the server's user may read into its data folder. */
export async function place (folder: string, files: Record<string, string>): Promise<void> {
  const { uid, gid } = await stat(folder)
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o600 })
    if (process.getuid?.() === 0) await chown(join(folder, name), uid, gid)
  }
}
