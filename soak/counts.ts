/** What was made on purpose. */
export type Group = 'faults' | 'hostile start-ups' | 'hostile answers' | 'hidden transactions' | 'states left' | 'log lines that threw' | 'values of types that differ' | 'templates'

/** How often each thing was done, by group and name. */
export class Counts {
  readonly groups = new Map<Group, Map<string, number>>()

  add (group: Group, name: string): void {
    const counts = this.groups.get(group) ?? new Map<string, number>()
    this.groups.set(group, counts.set(name, (counts.get(name) ?? 0) + 1))
  }

  of (group: Group): ReadonlyMap<string, number> { return this.groups.get(group) ?? new Map() }
  total (group: Group): number { return [...this.of(group).values()].reduce((sum, count) => sum + count, 0) }
}
