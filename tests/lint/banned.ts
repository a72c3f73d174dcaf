// Words that the project's texts do not use, because a reader stops at them. The names of the rules appear in the lint's output.

export const banned: { [rule: string]: RegExp } = {
    'say "fix" or "repair", not "mend"': /\bmend(?:s|ed|ing)?\b/i,
    'say "read" or "follow", not "heed"': /\bheed(?:s|ed|ing)?\b/i,
    'say "again", not "anew"': /\banew\b/i,
    'say "no longer", not "any more"': /\bany ?more\b/i,
    'say "anyway", not "all the same"': /\ball the same\b/i,
    'say "healthy", not "well"': /\b(?:is|are|be|was|were|not|proves?|proved|looks?) well\b(?! ?[-a])/i,
    'say "roll back", "restore" or "remove", not "put back"': /\bput(?:s|ting)? (?:[\w']+ ){0,3}back\b/i,
    'say "probe", "check" or "read", not "look at"': /\blook(?:s|ed|ing)? at\b/i,
    'say "must" or "should", not "is to"': /\b(?:is|are|was|were) to (?:be|[a-z]+)\b(?! \d)/i,
    'say "no …", not "none"': /(?<![`"'\w:=-])none(?![`"'\w-])/i,
    'say "download" or "install", not "bring"': /\b(?:bring(?:s|ing)?|brought)\b/i,
    'begin with the subject, not with "what", "where" or "whose"':
        /(?:^|[.:!?] |\/\/ |\* |# )(?:What|Whatever|Where|Wherever|Whose)\b(?! to do\b)(?![^.!:]*\?)/,
};
