/*
 * Texts that would do something if they were ever read as SQL, or that change where a string, a comment, a row or a
 * message ends. What they would do shows in the canaries of `CANARIES`.
 */

/** What must still be there afterwards. */
export const CANARIES = `CREATE TABLE canary (id int PRIMARY KEY, secret text);
  INSERT INTO canary VALUES (1, 'untouched'), (2, 'untouched')`

/** The statements that an attacker would like to run. */
const PAYLOADS = [
  'DROP TABLE canary', 'DELETE FROM canary', 'TRUNCATE canary', "UPDATE canary SET secret = 'taken'", "INSERT INTO canary VALUES (3, 'added')",
  'CREATE ROLE injected SUPERUSER', 'CREATE TABLE injected (a int)', "COPY canary TO PROGRAM 'touch /tmp/fastify-postgres-js-injected'",
  "SELECT set_config('app.injected', 'yes', false)", "SET app.injected = 'yes'", 'ALTER TABLE canary RENAME TO injected', 'COMMIT', 'ROLLBACK',
]

/** What may end the place where a text stands: `@` is the payload. */
const FRAMES = [
  "'; @; --", "') ; @; --", "')); @ --", '"; @; --', "\\'; @; --", "\\\\'; @; --", "''; @; --", "'/**/;/**/@/*", '*/; @; /*', '; @', ';\n@;\n', '\r\n; @\r\n',
  '$$; @; $$', '$a$; @; $a$', '$1; @', "$1'; @; --", "E'\\'; @; --", "U&'\\0027; @; --", "' || (@) || '", '\u2019; @; --', '\u02bc; @; --', '\uff07\uff1b @ \uff0d\uff0d',
  '{"a"; @}', '","; @; --', '}\'; @; --', '"}]\'; @; --', '\\x27; @; --', '%27; @; --', '&#39;; @; --', '\\047; @; --', "x'::text; @; --",
]

/** The lists that scanners come with. */
const CLASSIC = [
  "' OR '1'='1", "' OR 1=1 --", "' OR 1=1 #", "' OR 1=1 /*", '" OR ""="', "' OR 'x'='x", "') OR ('1'='1", "admin' --", "admin'/*", "' UNION SELECT NULL --",
  "' UNION SELECT secret FROM canary --", "' AND 1=(SELECT count(*) FROM canary) --", "1' AND pg_sleep(10) --", "'; SELECT pg_sleep(10); --", "' || pg_sleep(10) || '",
  "1; SELECT pg_read_file('/etc/passwd')", "' || (SELECT version()) || '", "' AND CAST((SELECT secret FROM canary LIMIT 1) AS int) = 1 --", "lo_import('/etc/passwd')",
  '1 OR 1=1', '1) OR (1=1', "-1' ORDER BY 100 --", "' HAVING 1=1 --", "' GROUP BY id --", "' LIMIT 1 OFFSET 1 --", "' INTO OUTFILE '/tmp/x' --", "%' OR '1'='1", "_' OR '_", "' LIKE '%",
  "'; EXEC xp_cmdshell('id'); --", "'; DO $$ BEGIN EXECUTE 'DROP TABLE canary'; END $$; --", "'; DEALLOCATE ALL; --", "'; DISCARD ALL; --", "'; LISTEN canary; --",
  '{{7*7}}', '$' + '{7*7}', '<script>alert(1)</script>', '../../../etc/passwd', '() { :; }; echo', '`id`', '$(id)', '| id', '%s%s%s%n', '%x%x%d', '{0}', '{}', '%', '%%', '_', '\\', '\\\\', '\\%', '\\_',
]

/** Quotes, escapes, comments and bytes by themselves. */
const PIECES = [
  '', ' ', "'", "''", "'''", '"', '""', '`', '\\', "\\'", '\\"', '\\\\', "\\\\'", '$', '$$', '$1', '$2', '$0', '$1$2', '$99999', '$a$', '$$a$$', ':1', '?', ':name', '@p1', '%(a)s',
  '--', '-- ', '/*', '*/', '/**/', '/* /* */', ';', ';;', '(', ')', '(,)', '(1,2)', '[', ']', '[1:2]={a,b}', '{', '}', '{a,b}', '{"a"}', '{NULL}', ',', '""",', 'NULL', 'null', '"NULL"', '\\N', '\\.', '\\x', '\\x00', '\\000',
  '\n', '\r', '\r\n', '\t', '\b', '\f', '\v', '\u0001', '\u001a', '\u001b[2J', '\u007f', '\u0080', '\u0085', '\u00a0', '\u00ad', '\u00ff', '\u200b', '\u200d', '\u2028', '\u2029', '\u202e', '\ufeff', '\ufffd', '\uffff', '\u{1f418}', '\u{10ffff}',
  '\u2018', '\u2019', '\u201c', '\u201d', '\u02b9', '\u02bc', '\u0027\u0301', '\u2032', '\uff07', '\uff02', '\uff3c', '\uff1b', '\u037e', '\u00b4', '\u0060', '\u00bf\u0027', '\u00bf\u005c\u0027', '\u8a8d\u005c', '\u0122\u0127',
  "E'\\x41'", "U&'\\0041'", "X'41'", "B'1'", "N'a'", "'a'\n'b'", 'Q\u0001\u0001\u0001\u0009SELECT 1;', 'X\u0001\u0001\u0001\u0004', 'Z\u0001\u0001\u0001\u0005I', 'P\u0001\u0001', 'C\u0001\u0001\u0001\u000bSELECT 1', 'E\u0001\u0001\u0001\u0005', 'S\u0001\u0001\u0001\u0004H\u0001\u0001\u0001\u0004',
  'true', 'false', '0', '-0', '1e999', 'NaN', 'infinity', '-infinity', 'now', 'today', 'default', 'DEFAULT', 'current_user', 'undefined', '[object Object]', '__proto__', 'constructor', 'toString',
  ' leading', 'trailing ', 'a'.repeat(5000), "'".repeat(2000), '\\'.repeat(2001), '"'.repeat(999), '$'.repeat(500), '/*'.repeat(300), '('.repeat(5000), ';'.repeat(1000),
]

/** All of them, each once. No NUL, which no text of Postgres's can hold: that is tested by itself. */
export const INJECTIONS: readonly string[] = [...new Set([
  ...PIECES,
  ...CLASSIC,
  ...FRAMES.flatMap((frame, index) => [0, 4, 8].map((step) => frame.replace('@', () => PAYLOADS[(index + step) % PAYLOADS.length] ?? ''))),
])]

/** With a NUL: refused, with one code, wherever it stands. */
export const WITH_NUL: readonly string[] = ['\0', 'a\0b', "'\0; DROP TABLE canary; --", '\0\0\0\u0004', 'x\0search_path\0evil', "E'\\000'\0"]
