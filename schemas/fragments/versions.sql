-- The versions of every image, and until when each was valid.
--
-- Rows of image_history that a killed run left are not here.
--
-- latest_version: the number of the image's latest version
-- valid_to: when a sync first observed the next version; null: this version is the latest
select
    history.*,
    images.version as latest_version,
    later.observed_at as valid_to
from images
join image_history as history
    on history.account_id = images.account_id
    and history.image_id = images.image_id
    and history.version <= images.version
left join image_history as later
    on later.account_id = history.account_id
    and later.image_id = history.image_id
    and later.version = history.version + 1
    and history.version < images.version
