"""FastAPI over asyncpg's pool: the same route as ../http/apps.ts. processes/http.ts starts it."""
import os

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException

app = FastAPI()
FETCH = "SELECT id, name FROM bench_rows WHERE id = $1"


@app.on_event("startup")
async def open_pool():
    settings = {"application_name": "bench FastAPI + asyncpg"}
    app.state.pool = await asyncpg.create_pool(os.environ["BENCH_URL"], min_size=10, max_size=10, server_settings=settings)


@app.get("/users/{id}")
async def user(id: int):
    row = await app.state.pool.fetchrow(FETCH, id)
    if row is None or row["id"] != id:
        raise HTTPException(500, "not the row that was asked for")
    return dict(row)


# uvicorn takes uvloop and httptools by itself where they are installed.
uvicorn.run(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), log_level="warning", access_log=False)
