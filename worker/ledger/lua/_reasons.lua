-- USES  lane
-- A few words for the many codes with which a change may fail. Other codes come from the remote system: a number
-- if it refused the request, a word if a job refused the item.
local REASON_OF = {outcome_unknown = 'outcome_unknown', changed_meanwhile = 'condition', condition_unknown = 'condition', not_stored = 'not_stored', crashed = 'crashed', no_lane = 'no_lane',
  not_understood = 'not_understood', refused = 'request_refused', remote_refused = 'item_refused',
  unknown_space = 'refused_at_intake', unknown_type = 'refused_at_intake',
  unknown_field = 'refused_at_intake', obsolete_field = 'refused_at_intake',
  calculated_field = 'refused_at_intake', field_not_writable = 'refused_at_intake', mode_not_allowed = 'refused_at_intake',
  bad_value = 'refused_at_intake', unknown_option = 'refused_at_intake', disabled_option = 'refused_at_intake',
  replacement_failed = 'replacement_failed', unknown_person = 'refused_at_intake', ambiguous = 'refused_at_intake', cannot_resolve = 'refused_at_intake'}
local reasons = {}

local function reason_of(detail)
  if reasons[detail] then return reasons[detail] end
  local code = string.match(detail, '^{"code":"([^"]*)"') or ''
  local reason = REASON_OF[code] or (string.find(code, '^%-?%d+$') and 'request_refused')
    or (string.find(code, '^[%w_ .-]+$') and 'item_refused') or 'other'
  reasons[detail] = reason
  return reason
end
