"""Ten thousand running environments from a few that were made by the API: their rows, and the engine's
containers to match."""
import json
import sqlite3

FIRST_PORT = 21000


def clone(row, number, old):
    """The row of `old` as that of environment `number`."""
    new = dict(row)
    for column in ("id", "environment"):
        if new.get(column) == old["id"]:
            new[column] = f"bench{number:011d}"
    return new


def insert(connection, table, row):
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                       list(row.values()))


def address(number):
    number += 1000  # past those that were made by the API
    return f"127.{32 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def multiply(database, containers, count):
    """Until there are `count` environments. Requires: nobody has the database open. Returns the
    containers."""
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    by_environment = {c["Config"]["Labels"]["envgate.env"]: c for c in containers}

    def rows(table, where, value):
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} WHERE {where} = ?", [value])]

    old = [dict(row) for row in connection.execute("SELECT * FROM environments WHERE deleted = 0")]
    belongings = {e["id"]: {table: rows(table, "environment", e["id"])
                            for table in ("leases", "sealed_secrets", "operations")} for e in old}
    made = list(containers)
    (generation,) = connection.execute("SELECT outbox_seq FROM head").fetchone()
    for number in range(count - len(old)):
        e = old[number % len(old)]
        new = clone(e, number, e)
        generation += 1
        container = json.loads(json.dumps(by_environment[e["id"]]).replace(e["id"], new["id"])
                               .replace(e["address"], address(number)))
        container["Id"] = f"{number + (1 << 40):064x}"
        made.append(container)
        route = json.loads(e["route"])
        route.update(env=new["id"], address=address(number), generation=generation)
        route["ssh"]["listen_port"] = FIRST_PORT + number
        new.update(name=f"bench {number}", ssh_port=FIRST_PORT + number, address=address(number),
                   instance=container["Id"], login_instance=container["Id"], created=e["created"] + number,
                   route=json.dumps(route, separators=(",", ":")))
        insert(connection, "environments", new)
        for table, kept in belongings[e["id"]].items():
            for row in kept:
                row = clone(row, number, e)
                if table == "leases":
                    row["port"] = FIRST_PORT + number
                if table == "operations":
                    row["id"] = f"op{number:014d}"
                insert(connection, table, row)
    connection.execute("UPDATE head SET outbox_seq = ?", [generation])
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return made
