"""What Alembic runs to apply migrations: on the connection that `linkwell.cases.database` hands over, in its transaction."""

from alembic import context

from linkwell.cases.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
