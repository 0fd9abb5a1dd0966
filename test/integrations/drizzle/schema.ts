import { relations } from 'drizzle-orm'
import {
  bigint, boolean, char, cidr, customType, date, doublePrecision, inet, integer, interval, json, jsonb, numeric, pgEnum, pgTable, point,
  primaryKey, real, serial, smallint, text, time, timestamp, unique, uuid, varchar
} from 'drizzle-orm/pg-core'

/** What Drizzle has no column for: as its manual shows it. */
export const bytea = customType<{ data: Buffer, driverData: Buffer }>({ dataType: () => 'bytea' })
export const vector = customType<{ data: number[], driverData: string }>({
  dataType: () => 'text',
  toDriver: (value) => JSON.stringify(value),
  fromDriver: (value) => JSON.parse(value),
})

export const mood = pgEnum('mood', ['ok', 'happy', 'sad, "quoted"'])

/** A column of each kind. */
export const things = pgTable('things', {
  id: serial().primaryKey(),
  small: smallint(),
  int: integer(),
  bigNumber: bigint('big_number', { mode: 'number' }),
  bigBigint: bigint('big_bigint', { mode: 'bigint' }),
  amount: numeric({ precision: 30, scale: 10 }),
  amountNumber: numeric('amount_number', { mode: 'number' }),
  amountBigint: numeric('amount_bigint', { mode: 'bigint' }),
  single: real(),
  double: doublePrecision(),
  flag: boolean(),
  body: text(),
  short: varchar({ length: 20 }),
  fixed: char({ length: 3 }),
  json: json(),
  jsonb: jsonb(),
  day: date({ mode: 'date' }),
  dayText: date('day_text', { mode: 'string' }),
  at: timestamp({ mode: 'date' }),
  atText: timestamp('at_text', { mode: 'string', precision: 6 }),
  atZone: timestamp('at_zone', { mode: 'date', withTimezone: true }),
  atZoneText: timestamp('at_zone_text', { mode: 'string', withTimezone: true }),
  clock: time(),
  lasts: interval(),
  uuid: uuid(),
  bytes: bytea(),
  vector: vector(),
  address: inet(),
  net: cidr(),
  place: point({ mode: 'xy' }),
  mood: mood(),
  moods: mood().array(),
  tags: text().array(),
  matrix: integer().array().array(),
  flags: boolean().array(),
  bigs: bigint({ mode: 'bigint' }).array(),
  amounts: numeric().array(),
  days: date({ mode: 'date' }).array(),
  ats: timestamp({ mode: 'date', withTimezone: true }).array(),
  atTexts: timestamp('at_texts', { mode: 'string' }).array(),
  jsons: jsonb().array(),
  uuids: uuid().array(),
})

export const users = pgTable('users', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  name: text().notNull(),
  email: text().notNull().unique('users_email_key'),
  city: text(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
})

export const orders = pgTable('orders', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  userId: integer('user_id').notNull().references(() => users.id),
  total: numeric({ precision: 12, scale: 2 }).notNull(),
  placed: timestamp({ withTimezone: true }).notNull(),
})

export const tags = pgTable('tags', { id: integer().primaryKey(), label: text().notNull(), seen: bigint({ mode: 'number' }).notNull().default(0) })

export const orderTags = pgTable('order_tags', {
  orderId: integer('order_id').notNull().references(() => orders.id),
  tagId: integer('tag_id').notNull().references(() => tags.id),
}, (table) => [primaryKey({ columns: [table.orderId, table.tagId] }), unique('order_tags_key').on(table.tagId, table.orderId)])

export const userRelations = relations(users, ({ many }) => ({ orders: many(orders) }))
export const orderRelations = relations(orders, ({ one, many }) => ({
  user: one(users, { fields: [orders.userId], references: [users.id] }),
  tags: many(orderTags),
}))
export const orderTagRelations = relations(orderTags, ({ one }) => ({
  order: one(orders, { fields: [orderTags.orderId], references: [orders.id] }),
  tag: one(tags, { fields: [orderTags.tagId], references: [tags.id] }),
}))

export const TABLES = `
  DROP TABLE IF EXISTS order_tags, tags, orders, users, things; DROP TYPE IF EXISTS mood;
  CREATE TYPE mood AS ENUM ('ok', 'happy', 'sad, "quoted"');
  CREATE TABLE things (id serial PRIMARY KEY, small smallint, int integer, big_number bigint, big_bigint bigint, amount numeric(30, 10),
    amount_number numeric, amount_bigint numeric, single real, double double precision, flag boolean, body text, short varchar(20),
    fixed char(3), json json, jsonb jsonb, day date, day_text date, at timestamp, at_text timestamp(6), at_zone timestamptz,
    at_zone_text timestamptz, clock time, lasts interval, uuid uuid, bytes bytea, vector text, address inet, net cidr, place point, mood mood,
    moods mood[], tags text[], matrix int[][], flags boolean[], bigs bigint[], amounts numeric[], days date[], ats timestamptz[],
    at_texts timestamp[], jsons jsonb[], uuids uuid[]);
  CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text NOT NULL CONSTRAINT users_email_key UNIQUE,
    city text, created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int NOT NULL REFERENCES users, total numeric(12, 2) NOT NULL, placed timestamptz NOT NULL);
  CREATE TABLE tags (id int PRIMARY KEY, label text NOT NULL, seen bigint NOT NULL DEFAULT 0);
  CREATE TABLE order_tags (order_id int NOT NULL REFERENCES orders, tag_id int NOT NULL REFERENCES tags, PRIMARY KEY (order_id, tag_id));
  INSERT INTO users (name, email, city, created_at) VALUES ('Ada', 'ada@example.com', 'Oslo', '2026-01-01Z'), ('Grace', 'grace@example.com', 'Bergen', '2026-01-02 03:04:05.678901Z'), ('Linus', 'linus@example.com', NULL, '2026-01-03Z');
  INSERT INTO orders (user_id, total, placed) VALUES (1, 19.90, '2026-02-01 10:00:00.123Z'), (1, 5, '2026-02-02Z'), (2, 7.50, '2026-02-03Z');
  INSERT INTO tags VALUES (1, 'new', 9007199254740991), (2, 'old', 0);
  INSERT INTO order_tags VALUES (1, 1), (1, 2), (3, 2)`
