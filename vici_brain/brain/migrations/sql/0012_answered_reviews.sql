-- What a person has answered is not asked again: looked up by the entity, however long the queue has become.

CREATE INDEX manual_review_queue_entity ON manual_review_queue (entity_key, reason);
