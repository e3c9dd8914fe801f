"""Scheduled work: the schedule file, and when each of its entries is due."""

from config.schedules.entries import Overlap, ScheduleEntry
from config.schedules.file import load_schedules, schedule_file
from config.schedules.times import Times

__all__ = ["Overlap", "ScheduleEntry", "Times", "load_schedules", "schedule_file"]
