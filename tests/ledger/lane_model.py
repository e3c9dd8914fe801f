"""A lane of the ledger as plain lists and dicts, without a thought for cost: what the Lua has to agree with."""

from collections import Counter

from tests.ledger.lane_parts import Batch, Cell, Change

PRIORITY_STEP = 2**48
LATER = 2**47
FIELD_OF = {"o": "ok", "u": "un", "f": "fl", "s": "sp", "c": "cn", "e": "ex"}
ZSET_OF = {"open": "jobs", "resend": "due", "reask": "due", "check": "checks"}
MOST_SHARERS = 16  # of one change
MOST_OVERWRITTEN = 2  # changes that end at once with what took their place (100 in the product)
OVERTAKEN_PLACES = 2  # of a batch (5 in the product)
OVERDUE_TURN, PATIENCE, OVERDUE_SEEN = 4, 5, 256


class Model:
    def __init__(self, batch_items, chunk):
        self.batch_items, self.chunk = batch_items, chunk
        self.intents, self.cells, self.batches = {}, {}, {}
        self.groups, self.columns = {}, {}  # digest → number, name → number
        self.group_sequence = self.batch_sequence = self.fence = 0
        self.lease = None  # (owner, batch, has run out)
        self.paused = False
        self.overdue_turn_in = 0  # batches
        self.now = 10**12  # unix ms, roughly: moments at which intents expire are far from each other
        self.stopping = []  # numbers of stopped intents of which not every item was looked at
        self.steps, self.stopped_in = (
            0,
            {},
        )  # number → the step that stopped it: those of one step stand by their digits
        self.overwritten = []  # (number, where, letter, changes): what gave way to a change that has ended
        self.unpublished = set()
        self.requests_of_sets = Counter()
        self.forgotten = []  # intents that still count in their change sets
        self.sends = {}  # cell → numbers in the order in which they were sent

    # --- recording

    def record(self, wish, chunks=None):
        """`chunks`: how many of them arrive. Chunks that arrived before change nothing."""
        if wish.number not in self.intents:
            self._new_intent(wish)
        intent = self.intents[wish.number]
        starts = range(0, len(wish.items), self.chunk)
        for start in starts[:chunks]:
            if intent.recorded == start:
                for item in wish.items[start : start + self.chunk]:
                    self._meet(intent, item)
                    intent.recorded += 1

    def _new_intent(self, wish):
        if wish.digest not in self.groups:
            self.group_sequence += 1
            self.groups[wish.digest] = self.group_sequence
            self.columns.setdefault(wish.column, len(self.columns) + 1)
        wish.group = self.groups[wish.digest]
        wish.stop = "c" if wish.canceled else "e" if self._is_late(wish) else ""
        wish.may_expire = wish.expires is not None and not wish.stop
        self.intents[wish.number] = wish

    def _is_late(self, intent):
        return intent.expires is not None and intent.expires <= self.now

    def _fate(self, number):
        """The letter that the waiting changes of this intent are to get, if any."""
        intent = self.intents[number]
        return intent.stop or ("e" if self._is_late(intent) else "")

    def _meet(self, intent, item):
        where = (self.columns[intent.column], item)
        if intent.stop:
            return self._settle(intent.number, item, intent.stop)
        if where not in self.cells:
            self.cells[where] = Cell([Change(intent.number)], awaits_look=intent.skips)
            return None
        return self._meet_others(intent, self.cells[where])

    def _meet_others(self, intent, cell):
        newest, is_behind = cell.line[-1], len(cell.line) > 1
        older = self.intents[newest.number]
        is_pending = (cell.batch is None and not cell.is_looked_at) or is_behind
        may_give_way = is_pending and not intent.keep and not older.keep
        if may_give_way and older.group != intent.group and intent.mode == older.mode == "UPDATE":
            return self._supersede(intent, cell, newest, is_behind)
        may_share = may_give_way and older.group == intent.group and len(newest.sharers) < MOST_SHARERS
        if is_pending and intent.priority > older.priority and (is_behind or not may_share):
            self._hurry(cell, intent.number, intent.priority)
        if may_share:
            return newest.sharers.append(intent.number)
        cell.line.append(Change(intent.number))
        if cell.batch:
            self.batches[cell.batch].blocks = True
        return None

    def _supersede(self, intent, cell, newest, is_behind):
        priority = max(intent.priority, self._urgency(cell, newest))
        least = min(intent.priority, self.intents[newest.number].priority) if is_behind else intent.priority
        if priority > least:
            self._hurry(cell, intent.number, priority)
        if not is_behind:
            cell.awaits_look = intent.skips
        cell.line[-1] = Change(intent.number, under=[*newest.under, Change(newest.number, newest.sharers)])

    def _hurry(self, cell, number, priority):
        cell.urgent = [one for one in cell.urgent if one[1] > priority] + [(number, priority)]

    def _urgency(self, cell, change):
        """That of the most urgent who wants the change, or waits behind it."""
        wanting = [self.intents[number].priority for number in change.everyone]
        return max(wanting + [priority for number, priority in cell.urgent if number >= change.number])

    def refuse(self, wish):
        if wish.number not in self.intents:
            wish.outcomes = dict.fromkeys(wish.items, "f")
            wish.recorded = len(wish.items)
            self.intents[wish.number] = wish
            self.unpublished.add(wish.number)

    def _settle(self, number, item, letter):
        intent = self.intents[number]
        assert item not in intent.outcomes, "a change gets one outcome"
        intent.outcomes[item] = letter
        if intent.has_ended:
            self.unpublished.add(number)
            intent.may_expire = False
            if number in self.stopping:
                self.stopping.remove(number)

    # --- choosing

    def ready(self):
        """Group → its ready changes as (rank, item, number), best first."""
        groups = {}
        for (_, item), cell in self.cells.items():
            owner = cell.line[0]
            if cell.batch is None and not cell.awaits_look and not cell.is_looked_at:
                priority = self._urgency(cell, owner)
                rank = (9 - priority) * PRIORITY_STEP + owner.number
                groups.setdefault(self.intents[owner.number].group, []).append((rank, str(item), owner.number))
        return {group: sorted(changes) for group, changes in groups.items()}

    def batch_ready(self):
        """The same, of the groups of the batch route."""
        return self.ready()

    def behind(self):
        """Group → how many of its changes wait behind others."""
        return Counter(self.intents[change.number].group for cell in self.cells.values() for change in cell.line[1:])

    def _rank(self, group, changes):
        is_part = len(changes) < self.batch_items
        return changes[0][0] + (LATER if is_part and group in self.behind() else 0)

    def _choices(self, waits, max_wait):
        """Groups in their turn. `waits`: group → for how long it has been ready without being sent, longest first."""
        ready = self.batch_ready()
        if not ready:
            return []
        overdue = self._overdue(ready, waits, max_wait)
        if overdue:
            self.overdue_turn_in = OVERDUE_TURN

        def urgency(group):
            """Priority before fullness before "nothing behind" before age."""
            rank = self._rank(group, ready[group])
            return rank // PRIORITY_STEP, len(ready[group]) < self.batch_items, rank

        return [overdue] * bool(overdue) + sorted(ready, key=urgency)

    def _overdue(self, ready, waits, max_wait):
        if self.overdue_turn_in > 0:
            return None
        for group, waited in [one for one in waits.items() if one[0] in ready][:OVERDUE_SEEN]:
            is_worth_it = group not in self.behind() or len(ready[group]) >= self.batch_items
            if waited >= (max_wait if is_worth_it else PATIENCE * max_wait):
                return group
        return None

    # --- sending

    def claim(self, owner, has_run_out, max_open, waits, max_wait, got):
        """`got`: the batch that the ledger handed out; right if it is one of several to be sent again. Returns what is right."""
        self.steps += 1
        if self.paused:
            return "paused"
        if self.lease:
            holder, number, is_over = self.lease
            if holder != owner and not is_over:
                return "held"
            self._count_request(self.batches[number])
            self._put(self.batches[number], "reask", is_due=True)
            self.lease = None
        self._follow_singles()
        batches = [batch for batch in self.batches.values() if not batch.is_single]
        due = [b.number for b in batches if b.state in {"resend", "reask"} and b.is_due]
        if due:
            batch = self.batches[got if got in due else due[0]]
            batch.kind = batch.state
            batch.tries += batch.state == "resend"
        elif sum(batch.state != "sending" for batch in batches) >= max_open:
            return "full"
        else:
            composed = (self._compose(group) for group in self._choices(waits, max_wait))
            batch = next(filter(None, composed), None)
            if batch is None:
                return "idle"
        self._hand_out(batch, owner, has_run_out)
        return "batch", batch.number

    def _follow_singles(self):
        """What the batch route does for the single route."""

    def _is_busy(self, _item):
        """Whether a single update of it is on its way, which no batch may meet."""
        return False

    def _take_living(self, group):
        """(column, item, number) of the best changes of the group that live. Who shares one of them and is dead ends.

        While some are dead, nobody who was overtaken gets a place instead of another.
        """
        ready = self.ready()[group]
        if not (self.overwritten or self.stopping or self._late()):
            overtaken = self._overtaken(group)
            ready = overtaken + [change for change in ready if change not in overtaken]
        taken = []
        living = [one for one in ready if not self._fate(one[2]) and not self._is_busy(int(one[1]))]
        for _, text, number in living[: self.batch_items]:
            where = (self.columns[self.intents[number].column], int(text))
            for sharer in list(self.cells[where].line[0].sharers):
                if self._fate(sharer):
                    self._end_at(where, sharer, self._fate(sharer))
            taken.append((*where, number))
        return taken

    def _overtaken(self, group):
        """Of lower priority, and each older than one that it goes instead of. Here all have waited long enough."""
        ready = self.ready()[group]
        first, rest = ready[: self.batch_items], ready[self.batch_items :]
        band = first[-1][0] // PRIORITY_STEP
        waiting = sorted((c for c in rest if c[0] // PRIORITY_STEP > band), key=lambda change: (change[2], change[1]))
        found = []
        for change, instead in zip(waiting, reversed(first[-OVERTAKEN_PLACES:]), strict=False):
            if change[2] >= instead[2]:
                break
            if not self._is_busy(int(change[1])):
                found.append(change)
        return found

    def _compose(self, group):
        changes = self._take_living(group)
        if not changes:
            return None
        self.overdue_turn_in = max(0, self.overdue_turn_in - 1)
        return self._new_batch(group, changes)

    def _new_batch(self, group, changes, **more):
        self.batch_sequence += 1
        batch = Batch(self.batch_sequence, group, changes, size=len(changes), **more)
        for column, item, number in changes:
            self.cells[column, item].batch = batch.number
            for wanting in self.cells[column, item].line[0].everyone:
                self.intents[wanting].in_flight += 1
            self.sends.setdefault((column, item), []).append(number)
        self.batches[batch.number] = batch
        return batch

    def _hand_out(self, batch, owner, has_run_out):
        self._send(batch)
        self.lease = (owner, batch.number, has_run_out)

    def _send(self, batch):
        self.fence += 1
        batch.fence, batch.state = self.fence, "sending"
        batch.blocks = any(len(self.cells[where].line) > 1 for where in batch.cells)

    def _count_request(self, batch):
        """It left, or may have: one for everybody who wants something of it."""
        wanting = {number for where in batch.cells for number in self.cells[where].line[0].everyone}
        for number in wanting:
            self.intents[number].requests += 1
        self.requests_of_sets.update({self.intents[number].change_set for number in wanting})

    def _put(self, batch, state, is_due):
        batch.state, batch.is_due = state, is_due

    def is_stale(self, number, state, fence):
        batch = self.batches.get(number)
        return batch is None or batch.state != state or batch.fence != fence

    def advance(self, number, outcomes, then, is_due, left):
        batch = self.batches[number]
        if batch.state == "sending":
            self._release(batch)
        if left:
            self._count_request(batch)
        at_once = MOST_OVERWRITTEN
        for where in batch.cells:
            if where in outcomes:
                at_once -= self._let_go(batch, where, outcomes[where], at_once)
        if batch.changes:
            self._put(batch, then, is_due)
        else:
            del self.batches[number]

    def _release(self, batch):
        self.lease = None

    def _let_go(self, batch, where, letter, at_once):
        """Returns how many changes ended that had given way to this one."""
        self._open(batch, where)
        return self._conclude(where, letter, at_once)

    def _open(self, batch, where):
        """The cell's change is in no batch any more."""
        cell = self.cells[where]
        change = cell.line[0]
        cell.batch = None
        batch.changes.remove((*where, change.number))
        for number in change.everyone:
            self.intents[number].in_flight -= 1

    def _conclude(self, where, letter, at_once):
        item, cell = where[1], self.cells[where]
        change = cell.line.pop(0)
        for number in change.everyone:
            self._settle(number, item, letter)
        self._has_new_owner(where)
        letter = "f" if letter == "f" else "s"
        if len(change.under) > at_once:
            self.overwritten.append((change.number, where, letter, change.under))
            return 0
        self._overwrite(change.under, item, letter)
        return len(change.under)

    def _has_new_owner(self, where):
        cell = self.cells[where]
        if cell.line:
            cell.awaits_look = self.intents[cell.line[0].number].skips
        else:
            del self.cells[where]

    # --- looking

    def claim_look(self):
        """All that waits for it. Returns {(column, item): number}."""
        if self.paused:
            return {}
        waiting = {where: cell for where, cell in self.cells.items() if cell.awaits_look}
        for cell in waiting.values():
            change = cell.line[0]
            cell.awaits_look = False
            may_skip = all(self.intents[number].skips for number in change.everyone)
            cell.is_looked_at = may_skip and not self._fate(change.number)
        return {where: cell.line[0].number for where, cell in waiting.items() if cell.is_looked_at}

    def end_look(self, parts, unchanged):
        self.steps += 1
        at_once = MOST_OVERWRITTEN
        for where in parts:
            cell = self.cells[where]
            cell.is_looked_at = False
            if where in unchanged:
                at_once -= self._conclude(where, "u", at_once)
                continue
            for number in cell.line[0].everyone:
                self._walk_again(number)

    def _walk_again(self, number):
        """What was stopped during a look was passed by at the closed cell."""
        intent = self.intents[number]
        if not intent.stop or intent.has_ended:
            return
        intent.looked_at = 0
        if number not in self.stopping:
            self.stopped_in[number] = self.steps
            self.stopping.append(number)
            self.stopping.sort(key=lambda stopped: (self.stopped_in[stopped], str(stopped)))

    def _overwrite(self, changes, item, letter):
        for change in changes:
            for number in change.everyone:
                self._settle(number, item, letter)

    def split(self, number):
        whole = self.batches.pop(number)
        self._count_request(whole)
        self._release(whole)
        size = 1 if whole.is_single else (len(whole.changes) + 1) // 2
        for first in range(0, len(whole.changes), size):
            changes = whole.changes[first : first + size]
            group = self.intents[changes[0][2]].group if whole.is_single else whole.group
            self.batch_sequence += 1
            of = {"is_single": whole.is_single, "place": whole.place}
            piece = Batch(self.batch_sequence, group, changes, size=len(changes), tries=0, **of)
            piece.kind = piece.state = "resend"
            self.batches[piece.number] = piece
            for where in piece.cells:
                self.cells[where].batch = piece.number

    # --- ending

    def stop(self, number, letter):
        """Nothing more of it is sent that no batch holds."""
        self.steps += 1
        return self._stop(number, letter)

    def _stop(self, number, letter):
        intent = self.intents.get(number)
        if intent is None or not intent.group or intent.has_ended or intent.stop:
            return False
        intent.stop, intent.may_expire = letter, False
        self.stopped_in[number] = self.steps
        self.stopping.append(number)
        self.stopping.sort(key=lambda stopped: (self.stopped_in[stopped], str(stopped)))
        return True

    def end_stopped(self, most):
        """Look at a part of the items of stopped and expired intents. Returns whether some are left."""
        self.steps += 1
        while most > 0 and self.overwritten:
            _, where, letter, changes = self.overwritten[0]
            now = changes[:most]
            self._overwrite(now, where[1], letter)
            most -= len(now)
            del changes[: len(now)]
            if not changes:
                self.overwritten.pop(0)
        while most > 0 and (number := self._next_stopped()):
            most -= self._end_part(number, most) + 1
        return bool(self.overwritten or self.stopping or self._late())

    def _late(self):
        return [intent.number for intent in self.intents.values() if intent.may_expire and self._is_late(intent)]

    def _next_stopped(self):
        """Those whose time is over are stopped once nothing else is left."""
        if not self.stopping:
            for number in self._late():
                self._stop(number, "e")
        return self.stopping[0] if self.stopping else None

    def end_all(self, number):
        intent = self.intents.get(number)
        if intent and intent.stop and not intent.has_ended:
            self._end_part(number, 10**6)

    def _end_part(self, number, most):
        """Returns how many items were looked at."""
        intent = self.intents[number]
        column = self.columns[intent.column]
        looked = 0
        for item in intent.items[intent.looked_at :]:
            if looked == most:
                break
            looked += 1
            intent.looked_at += 1
            self._end_at((column, item), number, intent.stop)
        if looked < most:
            intent.looked_at = 0
            if number in self.stopping:
                self.stopping.remove(number)
        return looked

    def _end_at(self, where, number, letter):
        cell = self.cells.get(where)
        owner = cell and cell.line[0]
        was = owner and owner.number
        if cell and self._leave(cell, number):
            if not cell.line or cell.line[0] is not owner or owner.number != was:
                self._has_new_owner(where)
            self._settle(number, where[1], letter)

    def _leave(self, cell, number):
        """Whether there was a pending change of ours. If others share it, it is theirs now; or it was another's before."""
        for change in cell.line[1 if cell.batch or cell.is_looked_at else 0 :]:
            if number in change.sharers:
                change.sharers.remove(number)
                return True
            if number == change.number:
                if change.sharers:
                    change.number = change.sharers.pop(0)
                elif change.under:
                    back = change.under.pop()
                    cell.line[cell.line.index(change)] = Change(back.number, back.sharers, under=change.under)
                else:
                    cell.line.remove(change)
                return True
        return any(self._leave_stack(change.under, number) for change in cell.line)

    def _leave_stack(self, under, number):
        for change in under:
            if number in change.sharers:
                change.sharers.remove(number)
                return True
            if number == change.number:
                if change.sharers:
                    change.number = change.sharers.pop(0)
                else:
                    under.remove(change)
                return True
        return False

    def forget(self, numbers):
        for number in numbers:
            intent = self.intents.get(number)
            if intent and intent.has_ended:
                del self.intents[number]
                self.forgotten.append(intent)
                self.unpublished.discard(number)
                if intent.group not in {other.group for other in self.intents.values()}:
                    self.groups = {digest: group for digest, group in self.groups.items() if group != intent.group}

    # --- the whole of it, as the ledger writes it down

    def dump(self):
        keys = {
            "columns": self.columns,
            "cells": {},
            "shared": {},
            "groups": self.groups,
            "full": {},
            "part": {},
            "since": set(),
            "behind-of": {str(group): str(count) for group, count in self.behind().items()},
            "expiring": {i.number for i in self.intents.values() if i.may_expire},
            "stopping": set(self.stopping),
            "open-intents": {i.number for i in self.intents.values() if not i.has_ended},
            "outbox": set(self.unpublished),
            "ended:failed": set(),
            "failures": set(),
            "ended:succeeded": set(),
            "due": set(),
            "jobs": set(),
            "checks": set(),
        }
        self._dump_cells(keys)
        for group, changes in self.ready().items():
            keys[f"ready:{group}"] = {item: rank for rank, item, _ in changes}
        for group, changes in self.batch_ready().items():
            is_full = len(changes) >= self.batch_items
            keys["full" if is_full else "part"][str(group)] = self._rank(group, changes)
            keys["since"].add(group)
        for digest, group in self.groups.items():
            refs = sum(intent.group == group for intent in self.intents.values())
            keys[f"group:{group}"] = {"digest": digest, "refs": refs}
        for intent in self.intents.values():
            self._dump_intent(intent, keys)
        for batch in self.batches.values():
            self._dump_batch(batch, keys)
        self._dump_sets(keys)
        if self.lease:
            keys["lease"] = {"owner": self.lease[0], "batch": self.lease[1]}
        for name in [name for name in keys if name.startswith("set:")]:
            keys[name] = {field: count for field, count in keys[name].items() if count}
        return {name: value for name, value in keys.items() if value}

    def _dump_sets(self, keys):
        for intent in [*self.intents.values(), *self.forgotten]:
            if intent.change_set:
                counts = keys.setdefault(f"set:{intent.change_set}", Counter())
                counts["ended"] += intent.has_ended
                counts["snt"] += intent.in_flight
                counts.update(FIELD_OF[letter] for letter in intent.outcomes.values())
                counts["name"] = f"set {intent.change_set}"
                counts["rq"] = self.requests_of_sets[intent.change_set]

    def _dump_cells(self, keys):
        for (column, item), cell in self.cells.items():
            where = f"{column}:{item}"
            owner = cell.line[0].number
            keys["cells"][where] = f"{owner}@{cell.batch or 0}" if cell.batch or cell.is_looked_at else str(owner)
            if cell.awaits_look:
                keys.setdefault("look-columns:1", {}).setdefault(str(item), set()).add(str(column))
            if cell.line[1:]:
                keys[f"behind:{where}"] = [change.number for change in cell.line[1:]]
            for change in cell.line:
                self._dump_change(change.number, change.under, where, keys)
                if change.sharers:
                    keys["shared"][f"{change.number}:{where}"] = ",".join(map(str, change.sharers))
        keys["overwritten"] = [f"{number}:{c}:{i}" for number, (c, i), _, _ in self.overwritten]
        for number, (column, item), _, changes in self.overwritten:
            self._dump_change(number, changes, f"{column}:{item}", keys)

    def _dump_change(self, holder, under, where, keys):
        keys[f"under:{holder}:{where}"] = [change.number for change in under]
        for change in under:
            if change.sharers:
                keys["shared"][f"{change.number}:{where}"] = ",".join(map(str, change.sharers))

    def _dump_intent(self, intent, keys):
        counts = Counter(FIELD_OF[letter] for letter in intent.outcomes.values())
        numbers = {**counts, "snt": intent.in_flight, "rq": intent.requests}
        keys[f"intent:{intent.number}"] = {
            "tot": len(intent.items),
            "opn": len(intent.items) - len(intent.outcomes),
            "nx": intent.recorded if intent.recorded < len(intent.items) else None,
            **{name: numbers.get(name) or None for name in (*FIELD_OF.values(), "snt", "rq")},
            "end": intent.has_ended,
        }
        told = {str(item): letter for item, letter in intent.outcomes.items() if letter != "o"}
        if intent.group:  # one that was refused as a whole has its reason in its record
            keys[f"outcomes:{intent.number}"] = told
        if "fl" in counts:
            keys["failures"].add(intent.number)
        if intent.has_ended:
            is_bad = bool({"fl", "cn", "ex"} & set(counts))
            keys["ended:failed" if is_bad else "ended:succeeded"].add(intent.number)

    def _dump_batch(self, batch, keys):
        keys[f"batch:{batch.number}"] = {
            "g": str(batch.group),
            "parts": ",".join(f"{column}:{item}:{number}" for column, item, number in batch.changes),
            "state": batch.state,
            "kind": batch.kind,
            "tries": str(batch.tries),
            "size": str(batch.size),
            "blocks": batch.blocks,
        }
        if batch.state in ZSET_OF and not batch.is_single:
            keys[ZSET_OF[batch.state]].add(batch.number)
