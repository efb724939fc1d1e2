/** What others wrote is theirs to choose: before it is shown, whatever could act on a terminal or hide is spelled out. */
import stringWidth from 'string-width'
import { calledAs } from '../command/index.ts'

/** Controls (C0, DEL, C1), line and paragraph separators, lone surrogates, and all that is not seen: bidi controls, zero widths, fillers. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/u
/** JSON's own white space stays: inside its strings it is escaped already. */
const UNSEEN_IN_JSON = new RegExp(`(?![\\n\\r\\t])${UNSEEN.source}`, 'gu')
const UNSEEN_IN_LINES = new RegExp(`(?!\\n)${UNSEEN.source}`, 'gu')
/** Drawn over the character before it: more of them than any script needs draw over the lines above and below. */
const MARK = /\p{M}/u
const MARKS = new RegExp(`${MARK.source}{5}`, 'u')
const MAX_MARKS = 4
const PLAIN = /^[ -~]*$/
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
const CUT = '…'
const MAX_SHOWN = 200
const CHARACTERS = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Columns that it takes on a terminal: characters of East Asia take two. */
export const widthOf = (text: string): number => (PLAIN.test(text) ? text.length : stringWidth(text))

/**
 * Text of others as one line that only shows: what controls a terminal, turns the writing direction or is invisible is
 * written out (`\x1b`, `\u202e`, `\n`). Never throws.
 *
 * @param text - what is no text is shown as text
 * @param maxLength - of the line, in columns of a terminal and in UTF-16 code units alike; what is longer ends in `…`, and no
 *   character that a reader sees is cut in two
 */
export function shownText(text: unknown, maxLength = MAX_SHOWN): string {
  const whole = textOf(text)
  if (whole.length <= maxLength && PLAIN.test(whole)) {
    return whole
  }
  let shown = ''
  let length = 0
  // where `…` still fits behind
  let roomTo = 0
  for (const { segment } of CHARACTERS.segment(whole.slice(0, maxLength + 1))) {
    for (const next of piecesOf(segment, shown === '')) {
      length += Math.max(next.length, widthOf(next))
      if (length > maxLength) {
        return `${shown.slice(0, roomTo)}${CUT}`
      }
      shown += next
      roomTo = length < maxLength ? shown.length : roomTo
    }
  }
  return shown
}

/** Lines that were made safe one by one, or are a program's own: whatever would act on a terminal all the same is spelled out. */
export function shownLines(text: string): string {
  return text.replace(UNSEEN_IN_LINES, spelled)
}

/** JSON whose strings mean what they meant, and hold nothing that a terminal would act on. */
export function shownJson(json: string): string {
  return json.replace(UNSEEN_IN_JSON, jsonEscaped)
}

/** As it can be shown where only ASCII can. */
const IN_ASCII: Record<string, string> = {
  ...{ '’': "'", '‘': "'", '“': '"', '”': '"', '…': '...', '–': '-', '—': '-', '→': '->', '×': 'x', '✔': '+', '█': '#', '░': '.' },
  ...{ '│': '|', '─': '-', '┌': '+', '┐': '+', '└': '+', '┘': '+', '├': '+', '┤': '+', '┬': '+', '┴': '+', '┼': '+' }
}
const NOT_ASCII = /[^\n -~]/gu

/**
 * For a terminal that takes bytes for characters of another set: a part of a UTF-8 character may be a control character there. Borders and
 * quotes become those of ASCII, and letters are spelled out.
 */
export function asciiText(text: string): string {
  return text.replace(NOT_ASCII, (character) => IN_ASCII[character] ?? spelled(character))
}

/** The same JSON, in ASCII. */
export function asciiJson(json: string): string {
  return json.replace(/[^\n\r\t -~]/gu, jsonEscaped)
}

/** The first `width` columns of one line of our own; what is longer ends in `…`, after a whole word where one ends nearby. */
export function cutAtWord(line: string, width: number): string {
  if (widthOf(line) <= width) {
    return line
  }
  const cut = shownText(line, width)
  const space = cut.lastIndexOf(' ')
  return space >= cut.length / 2 ? `${cut.slice(0, space)} ${CUT}`.slice(0, cut.length) : cut
}

/** "name    value": where the value begins. */
const LABEL = /^ {0,4}\S.{0,16}? {2,}(?=\S)/

/**
 * A line over as many as it takes on a terminal, broken between words. What follows is indented, so that no part of a text looks like a
 * line of its own. A word of ASCII is kept whole: an address that is cut cannot be copied.
 */
export function wrapped(line: string, columns: number, label = LABEL.exec(line)?.[0] ?? ''): string {
  if (widthOf(line) <= columns) {
    return line
  }
  const indent = ' '.repeat(Math.min(widthOf(label) || 2, Math.floor(columns / 2)))
  const found = [label]
  let width = widthOf(label)
  let isBegun = false
  for (const word of withWholeCommands(line.slice(label.length).split(' '))) {
    for (const [at, part] of partsOf(word, columns - indent.length).entries()) {
      const takes = widthOf(part)
      const gap = isBegun && at === 0 ? 1 : 0
      if (isBegun && width + gap + takes > columns) {
        found.push(`${indent}${part}`)
        width = indent.length + takes
      } else {
        found.push(`${found.pop()}${' '.repeat(gap)}${part}`)
        width += gap + takes
      }
      isBegun = true
    }
  }
  return found.join('\n')
}

/** A command to copy is one word, from its name to the value of its last flag: a shell would run its first line alone. */
function withWholeCommands(words: string[]): string[] {
  const name = calledAs().split(' ')
  for (let from = 0; from < words.length; from++) {
    if (name.every((part, at) => words[from + at] === part)) {
      const sentence = words.slice(from).findIndex((word) => /[.;]$/.test(word))
      const end = sentence < 0 ? words.length : from + sentence + 1
      const lastFlag = words.slice(0, end).findLastIndex((word) => /^--\w/.test(word))
      if (lastFlag > from + name.length) {
        const whole = words.slice(from, Math.min(end, lastFlag + 2)).join(' ')
        return [...words.slice(0, from), whole, ...withWholeCommands(words.slice(lastFlag + 2))]
      }
    }
  }
  return words
}

function partsOf(word: string, columns: number): string[] {
  return PLAIN.test(word) ? [word] : splitAt(word, columns)
}

/** Parts of a text that are at most so wide. */
export function splitAt(text: string, columns: number): string[] {
  const parts = ['']
  for (const { segment } of CHARACTERS.segment(text)) {
    if (parts.at(-1) !== '' && widthOf(parts.at(-1)! + segment) > columns) {
      parts.push('')
    }
    parts.push(parts.pop()! + segment)
  }
  return parts
}

/** What a reader sees as one character, whole where it only shows. A mark without a character, or one too many, is spelled out, too. */
function piecesOf(segment: string, isFirst: boolean): string[] {
  if (!UNSEEN.test(segment) && !MARKS.test(segment) && !(isFirst && MARK.test(segment))) {
    return [segment]
  }
  let marks = isFirst ? MAX_MARKS : 0
  return Array.from(segment, (character) => {
    if (!MARK.test(character)) {
      marks = 0
      return UNSEEN.test(character) ? spelled(character) : character
    }
    return UNSEEN.test(character) || ++marks > MAX_MARKS ? spelled(character) : character
  })
}

function jsonEscaped(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${hex(unit.charCodeAt(0), 4)}`)
    .join('')
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
