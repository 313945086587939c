"""Hooks: they decide when a method updates what it owns."""
from .ema_teacher import EMATeacherHook
from .online_statistics import OnlineStatisticsHook

__all__ = ['EMATeacherHook', 'OnlineStatisticsHook']
