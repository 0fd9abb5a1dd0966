"""asyncpg's pool as a contender: one JSON command per line on stdin, one JSON answer per line on stdout.

The same works as ../workloads.ts, by the same names. processes/python.ts is the other end.
"""
import asyncio
import json
import os
import resource
import sys
import time

import asyncpg

ROWS = 10_000
ACCOUNTS = 10_000
WIDE_ROWS = 1_000
BATCH = 10_000

FETCH = "SELECT id, name FROM bench_rows WHERE id = $1"
FETCH_WIDE = (
    "SELECT id, name, email, city, active, score, visits, balance, settings, created_at"
    f" FROM bench_wide ORDER BY id LIMIT {WIDE_ROWS}"
)
DEBIT = "UPDATE bench_accounts SET balance = balance - 1 WHERE id = $1"
CREDIT = "UPDATE bench_accounts SET balance = balance + 1 WHERE id = $1"
INSERT = "INSERT INTO bench_inserts (n, label) VALUES ($1, $2)"
INSERT_ONE = "INSERT INTO bench_singles (n, label) VALUES ($1, $2)"
INSERT_RETURNING = "INSERT INTO bench_returning (n, label) VALUES ($1, $2) RETURNING id, n"
UPDATE = "UPDATE bench_updates SET value = $2 WHERE id = $1"

inserted = [(n, f"label of row {n}") for n in range(BATCH)]
updated = [(n + 1, (n + 1) * 2) for n in range(BATCH)]

URL = os.environ["BENCH_URL"]
last_id = 1


def next_id():
    global last_id
    last_id = last_id * 48_271 % 2_147_483_647
    return last_id % ROWS + 1


def create_pool(name):
    return asyncpg.create_pool(URL, min_size=10, max_size=10, server_settings={"application_name": name})


async def fetch_any(pool):
    wanted = next_id()
    row = await pool.fetchrow(FETCH, wanted)
    if row is None or row["id"] != wanted:
        raise RuntimeError(f"not the row {wanted}: {row}")


def processor_time():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def load(pool, callers, seconds):
    done = 0
    cpu = processor_time()
    started = time.perf_counter()
    end = started + seconds

    async def caller():
        nonlocal done
        while time.perf_counter() < end:
            await fetch_any(pool)
            done += 1

    await asyncio.gather(*(caller() for _ in range(callers)))
    elapsed = time.perf_counter() - started
    return {"rate": done / elapsed, "cpu": (processor_time() - cpu) / done * 1e6}


async def mixed(pool, callers, slow, sleep, seconds):
    latencies = []
    started = time.perf_counter()
    end = started + seconds

    async def quick_caller():
        asked = time.perf_counter()
        while asked < end:
            await fetch_any(pool)
            now = time.perf_counter()
            latencies.append(now - asked)
            asked = now

    async def slow_caller():
        while time.perf_counter() < end:
            await pool.fetchval("SELECT pg_sleep($1)", sleep)

    sleepers = asyncio.gather(*(slow_caller() for _ in range(slow)))
    await asyncio.gather(*(quick_caller() for _ in range(callers)))
    elapsed = time.perf_counter() - started
    await sleepers
    latencies.sort()
    return {
        "rate": len(latencies) / elapsed,
        "p99": latencies[int(len(latencies) * 0.99)] * 1000,
        "worst": latencies[-1] * 1000,
    }


async def transactions(pool, callers, seconds):
    done = 0
    share = ACCOUNTS // callers
    started = time.perf_counter()
    end = started + seconds

    async def caller(first):
        nonlocal done
        turn = 0
        while time.perf_counter() < end:
            async with pool.acquire() as connection:
                async with connection.transaction():
                    debit = await connection.execute(DEBIT, first + turn % share)
                    credit = await connection.execute(CREDIT, first + (turn + 1) % share)
            if debit != "UPDATE 1" or credit != "UPDATE 1":
                raise RuntimeError(f"a transaction changed {debit}, {credit}")
            turn += 2
            done += 1

    await asyncio.gather(*(caller(index * share + 1) for index in range(callers)))
    return {"rate": done / (time.perf_counter() - started)}


async def inserts(pool, callers, seconds):
    asked = done = 0
    cpu = processor_time()
    started = time.perf_counter()
    end = started + seconds

    async def caller():
        nonlocal asked, done
        while time.perf_counter() < end:
            n = asked
            asked += 1
            tag = await pool.execute(INSERT_ONE, n, f"label of row {n}")
            if tag != "INSERT 0 1":
                raise RuntimeError(f"an INSERT answered {tag}")
            done += 1

    await asyncio.gather(*(caller() for _ in range(callers)))
    elapsed = time.perf_counter() - started
    return {"rate": done / elapsed, "cpu": (processor_time() - cpu) / done * 1e6, "done": done}


async def rows(pool, seconds):
    done = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        found = await pool.fetch(FETCH_WIDE)
        if len(found) != WIDE_ROWS or found[-1]["email"] != f"user{WIDE_ROWS}@example.com":
            raise RuntimeError(f"{len(found)} rows")
        done += 1
    return {"rate": done / (time.perf_counter() - started)}


async def insert(pool):
    started = time.perf_counter()
    await pool.executemany(INSERT, inserted)
    return {"time": (time.perf_counter() - started) * 1000}


async def update(pool):
    started = time.perf_counter()
    await pool.executemany(UPDATE, updated)
    return {"time": (time.perf_counter() - started) * 1000}


async def returning(pool):
    found = []
    started = time.perf_counter()
    async with pool.acquire() as connection:
        async with connection.transaction():
            for args in inserted:
                found.append(await connection.fetchrow(INSERT_RETURNING, *args))
    elapsed = time.perf_counter() - started
    if [row["n"] for row in found] != [n for n, _ in inserted]:
        raise RuntimeError("not the rows that were inserted")
    return {"time": elapsed * 1000}


async def connect(_):
    started = time.perf_counter()
    pool = await create_pool("bench another asyncpg")
    elapsed = time.perf_counter() - started
    await pool.close()
    return {"time": elapsed * 1000}


WORKS = {work.__name__: work for work in (load, mixed, transactions, inserts, rows, insert, update, returning, connect)}


async def main():
    pool = None
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        name = command.pop("name")
        try:
            if name == "open":
                pool = await create_pool("bench asyncpg")
                measured = {}
            else:
                measured = await WORKS[name](pool, **command)
            answer = {"measured": measured}
        except Exception as error:  # whatever it is, the other end has to learn of it
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


try:
    import uvloop
    uvloop.install()
except ImportError:
    pass
asyncio.run(main())
