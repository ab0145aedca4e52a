"""The pages of fulfillment: queues and work list, the 60-day schedule, calendars."""
