"""Brain as a guest in a CRM's database: a login that may read leads but owns only its own tables."""

from uuid import uuid4

from sqlalchemy import make_url, text

from vici_brain.brain.database import migrate, missing_lead_lookups, open_brain


def test_where_leads_belong_to_another_role_the_owner_is_told_which_indexes_to_make(empty_brain_url: str) -> None:
    owner = open_brain(empty_brain_url)
    guest_name = f"guest_{uuid4().hex[:8]}"
    with owner.begin() as connection:
        connection.execute(text("CREATE TABLE leads (id bigint, external_lead_id text, phone text, created_at timestamptz)"))
        connection.execute(text(f"CREATE ROLE {guest_name} LOGIN"))
        connection.execute(text(f"GRANT USAGE, CREATE ON SCHEMA public TO {guest_name}"))
        connection.execute(text(f"GRANT SELECT ON leads TO {guest_name}"))
    guest = open_brain(make_url(empty_brain_url).set(username=guest_name))
    try:
        assert migrate(guest)
        wanted = missing_lead_lookups(guest)
        assert len(wanted) == 2
        with owner.begin() as connection:
            for statement in wanted:
                connection.execute(text(statement))
        assert missing_lead_lookups(guest) == []
    finally:
        guest.dispose()
        with owner.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {guest_name} CASCADE"))
            connection.execute(text(f"DROP ROLE {guest_name}"))
        owner.dispose()
