"""Redis and dramatiq: broker, consumer, bell, queue door and inspection."""
