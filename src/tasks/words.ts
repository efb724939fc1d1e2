/** What is wrong with a value, in words for whoever wrote it: zod's own are for whoever wrote the shape. */
import type * as z from 'zod'

type Issue = z.core.$ZodIssue

const KINDS: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  bigint: 'a whole number',
  null: 'null'
}
/** What is counted of what has a size. */
const COUNTED: Record<string, [one: string, more: string]> = { string: ['character', 'characters'], array: ['entry', 'entries'] }

/** One line that begins with where it is: `timeoutsMs.task should be a whole number of at least 1`. */
export function problemIn({ issues: [issue] }: z.ZodError): string {
  return issue == null ? 'it has an unknown shape' : `${issue.path.map(String).join('.') || 'it'} ${wordsOf(issue)}`.slice(0, 200)
}

function wordsOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `should be ${KINDS[issue.expected] ?? issue.expected}`
    case 'too_small':
      return bound('at least', issue.minimum, issue.origin)
    case 'too_big':
      return bound('at most', issue.maximum, issue.origin)
    case 'invalid_format':
      return `should look like ${'pattern' in issue ? issue.pattern : issue.format}`
    case 'invalid_value':
      return `should be one of ${issue.values.map((value) => String(value)).join(', ')}`
    case 'unrecognized_keys':
      return `has what is not known: ${issue.keys.slice(0, 3).join(', ')}`
    case 'custom':
      return issue.message
    default:
      return 'has another shape than it should'
  }
}

function bound(side: string, limit: number | bigint, origin: string): string {
  const counted = COUNTED[origin]
  return counted == null ? `should be ${side} ${limit}` : `should have ${side} ${limit} ${counted[Number(limit) === 1 ? 0 : 1]}`
}
