/** What the benchmark uses of Bun's own module; it is not in Node. */
declare module 'bun' {
  interface Result extends Array<Record<string, unknown>> { count: number }

  type Tag = (strings: TemplateStringsArray, ...values: ReadonlyArray<string | number>) => Promise<Result>

  export interface SQL extends Tag {
    begin<T> (work: (sql: Tag) => Promise<T>): Promise<T>
    end (): Promise<void>
  }

  export const SQL: new (options: { url: string, max: number, connection: { application_name: string } }) => SQL
}
