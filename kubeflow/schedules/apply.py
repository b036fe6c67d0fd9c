"""Makes a service's schedule what the file and the config say; twice is as once.

Where the service cannot change a schedule, another takes its place: it is made paused, with a note
of what it is to become; the old one is paused; the new one becomes what the old one was; the old
one is deleted. So no two are active at once. None is between two requests; if one of these is
refused, the new one is deleted and the old one goes on. If this process is killed amid it, or the
service does not come back, the next apply finds the note and goes on where this one stopped.
"""

from __future__ import annotations

import datetime
import itertools
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kubeflow.names import DATA_DATE
from kubeflow.schedules.asking import ServiceError
from kubeflow.schedules.compiled import CompiledPipeline
from kubeflow.schedules.cron import Cron
from kubeflow.schedules.service import Schedule, ScheduleService, WantedSchedule
from models.errors import BadInputError, W2vError
from pipeline.cluster_config import ScheduleConfig

Change = Literal["created", "unchanged", "updated", "recreated"]


@dataclass(frozen=True)
class Applied:
    """What became of a schedule."""

    change: Change
    schedule: Schedule


def wanted_schedule(pipeline: CompiledPipeline, config: ScheduleConfig) -> WantedSchedule:
    """The schedule that a config's section asks for."""
    pipeline.check_takes(DATA_DATE)
    wanted = WantedSchedule(
        pipeline=pipeline,
        cron=Cron.parse(config.cron, config.timezone),
        max_concurrent=config.max_concurrent,
        catch_up=config.catch_up,
        start=_moment(config.start),
        end=_moment(config.end),
    )
    now = datetime.datetime.now(datetime.UTC)
    if wanted.end and wanted.end <= max(now, wanted.start or now):
        raise BadInputError(
            f"cluster.schedule.end is {config.end}, when the schedule has not begun or has long "
            "ended; name a later time, or none."
        )
    if wanted.cron.after(now) is None:
        raise BadInputError(f"The cron expression {config.cron!r} names a day that never comes.")
    return wanted


def apply_schedule(service: ScheduleService, wanted: WantedSchedule) -> Applied:
    """Create the schedule, leave it, change it or have another take its place."""
    digest = service.digest(wanted)
    there = service.find(wanted.name)
    current = next((one for one in reversed(there) if one.digest == digest), None)
    others = [one for one in there if one is not current]
    if not there:
        return Applied("created", service.create(wanted))
    if current is None:
        states = {one.state for one in others}
        stays_paused = "paused" in states and "active" not in states
        current = service.create(wanted, becomes="paused" if stays_paused else "active")
    if others:
        _take_place(service, current, others)
        service.adjust(current, wanted)
        return Applied("recreated", _again(service, current))
    changed = service.adjust(current, wanted)
    return Applied("updated", changed) if changed else Applied("unchanged", current)


def named_schedule(service: ScheduleService, name: str) -> Schedule:
    """The one schedule of a name, to be paused or resumed."""
    there = service.find(name)
    if not there:
        raise BadInputError(
            f"{service.place} has no schedule {name!r} of ours; w2v schedule list shows what "
            "there is."
        )
    if len(there) > 1:
        raise BadInputError(
            f"{service.place} has {len(there)} schedules {name!r}, since one was being replaced "
            "by another; finish that with w2v schedule apply."
        )
    if there[0].state == "completed":
        raise BadInputError(
            f"The schedule {name!r} on {service.place} has come to its end; apply it again with a "
            "later cluster.schedule.end, or none."
        )
    return there[0]


def first_run_dated_otherwise(wanted: WantedSchedule) -> datetime.datetime | None:
    """The first of the coming runs whose date is another to the compiled pipeline."""
    if wanted.pipeline.timezone == wanted.cron.timezone:
        return None
    zone = zoneinfo.ZoneInfo(wanted.pipeline.timezone)
    now = datetime.datetime.now(datetime.UTC)
    soon = now + datetime.timedelta(days=366)
    coming = itertools.takewhile(lambda at: at < soon, wanted.cron.times(now))
    return next((at for at in coming if at.date() != at.astimezone(zone).date()), None)


def _take_place(service: ScheduleService, new: Schedule, others: Sequence[Schedule]) -> None:
    if new.becomes == "paused":
        if new.state == "active":
            service.pause(new)
    elif new.state != "active":
        stopped: list[Schedule] = []
        try:
            for old in others:
                if old.state == "active":
                    stopped.append(old)
                    service.pause(old)
            service.resume(new, catch_up=False)
        except W2vError as error:
            _put_back(service, new, stopped, error)
            raise
    for old in others:
        service.delete(old)


def _put_back(
    service: ScheduleService, new: Schedule, stopped: Sequence[Schedule], cause: W2vError
) -> None:
    """The old ones go on; first the new one goes, whatever it has become."""
    try:
        service.delete(new)
        for old in stopped:
            service.resume(old, catch_up=False)
    except W2vError as error:
        raise ServiceError(
            f"{cause} The schedule {new.name!r} may be paused now: apply it again as soon as the "
            "service answers."
        ) from error


def _again(service: ScheduleService, schedule: Schedule) -> Schedule:
    return next(
        (one for one in service.find(schedule.name) if one.id == schedule.id),
        replace(schedule, next_run=None),
    )


def _moment(text: str) -> datetime.datetime | None:
    if not text:
        return None
    moment = datetime.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
