/** What others wrote is theirs to choose: before it is shown, whatever could act on a terminal or hide is spelled out. */

/** Controls (C0, DEL, C1), line and paragraph separators, lone surrogates, and all that is not seen: bidi controls, zero widths, fillers. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
/** JSON's own white space stays: inside its strings it is escaped already. */
const UNSEEN_IN_JSON = new RegExp(`(?![\\n\\r\\t])${UNSEEN.source}`, 'gu')
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
const CUT = '…'
const MAX_SHOWN = 200

/**
 * Text of others as one line that only shows: what controls a terminal, turns the writing direction or is invisible is
 * written out (`\x1b`, `\u202e`, `\n`). Never throws.
 *
 * @param text - what is no text is shown as text
 * @param maxLength - of the line, in UTF-16 code units; what is longer ends in `…`
 */
export function shownText(text: unknown, maxLength = MAX_SHOWN): string {
  const whole = textOf(text)
  let shown = ''
  for (const character of whole.slice(0, maxLength + 1)) {
    const next = UNSEEN.test(character) ? spelled(character) : character
    if (shown.length + next.length > maxLength) {
      return `${shown.slice(0, Math.max(0, maxLength - 1)).replace(/[\uD800-\uDBFF]$/, '')}${CUT}`
    }
    shown += next
  }
  return shown
}

/** JSON whose strings mean what they meant, and hold nothing that a terminal would act on. */
export function shownJson(json: string): string {
  return json.replace(UNSEEN_IN_JSON, (character) =>
    character
      .split('')
      .map((unit) => `\\u${hex(unit.charCodeAt(0), 4)}`)
      .join('')
  )
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return typeof value
  }
}

function spelled(character: string): string {
  const point = character.codePointAt(0)!
  return (
    SHORT[character] ?? (point < 0x100 ? `\\x${hex(point, 2)}` : point < 0x10000 ? `\\u${hex(point, 4)}` : `\\u{${point.toString(16)}}`)
  )
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}
