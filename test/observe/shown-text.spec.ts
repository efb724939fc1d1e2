import { expect } from 'chai'
import fc from 'fast-check'
import { calledAs, callIt } from '../../src/command/index.ts'
import { asciiJson, asciiText, cutAtWord, shownJson, shownLines, shownText, widthOf, wrapped } from '../../src/observe/shown-text.ts'

/** What a terminal may act on, or a reader cannot see. */
const UNSAFE = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u3164\u{e0000}-\u{e007f}]|\p{Cs}/u
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ max: 0xffff }).map((unit) => String.fromCharCode(unit)) })
)

describe('observe: text of others', () => {
  // other specs share this process
  const name = calledAs()
  afterEach(() => callIt(name))

  it('what controls a terminal, turns the direction or is invisible is written out', () => {
    expect(shownText('\x1b[2J\x1b]0;pwn\x07 ok\nfake\u202eevil\u200b\x9b\u2066')).to.equal(
      '\\x1b[2J\\x1b]0;pwn\\x07 ok\\nfake\\u202eevil\\u200b\\x9b\\u2066'
    )
    expect(shownText('a\ud800b\u{e0041}')).to.equal('a\\ud800b\\u{e0041}')
  })
  it('what reads well is shown as it is', () => {
    for (const text of ['k2-index', '/ip4/1.2.3.4/tcp/1/p2p/12D3KooW', 'Zürich, 東京, שלום, 🜂', '']) {
      expect(shownText(text)).to.equal(text)
    }
  })
  it('whatever it is given: one safe line of at most the length', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.anything({ withNullPrototype: true })), fc.integer({ min: 1, max: 300 }), (text, maxLength) => {
        const shown = shownText(text, maxLength)
        expect(shown.length).to.be.at.most(maxLength)
        expect(widthOf(shown)).to.be.at.most(maxLength)
        expect(/\p{M}{5}|^\p{M}/u.test(shown), JSON.stringify(shown)).to.equal(false)
        expect(UNSAFE.test(shown), JSON.stringify(shown)).to.equal(false)
        expect(shownText(shown, maxLength)).to.equal(shown)
      })
    )
    expect(shownText('x'.repeat(10_000))).to.equal(`${'x'.repeat(199)}…`)
  })
  it('what is too long is cut by columns, and between characters as a reader sees them', () => {
    expect(shownText('東京'.repeat(10), 9)).to.equal('東京東京…')
    expect(shownText('a👍🏽👍🏽', 8)).to.equal('a👍🏽…')
    expect(shownText('e\u0301'.repeat(3), 5)).to.equal('e\u0301e\u0301…')
    expect(cutAtWord('12D3KooW sent nothing for a while', 17)).to.equal('12D3KooW sent …')
  })
  it('marks that draw over other lines, or over the text before, are written out', () => {
    expect(shownText(`z${'\u0336'.repeat(7)}a`)).to.equal(`z${'\u0336'.repeat(4)}${'\\u0336'.repeat(3)}a`)
    expect(shownText('\u0336a')).to.equal('\\u0336a')
  })
  it('lines keep their ends, and nothing else that acts', () => {
    expect(shownLines('one\ntwo\r\x1b[2J\x9b\u202e\n')).to.equal('one\ntwo\\r\\x1b[2J\\x9b\\u202e\n')
  })
  it('a terminal of another set of characters gets ASCII: a byte of ě is a control character there', () => {
    expect(asciiText('│ it’s “ok” … ě31m 🜂 │')).to.equal('| it\'s "ok" ... \\u011b31m \\u{1f702} |')
    fc.assert(
      fc.property(fc.record({ text: anyText }), (value) => {
        expect(JSON.parse(asciiJson(JSON.stringify(value)))).to.deep.equal(value)
        expect(asciiJson(JSON.stringify(value))).to.match(/^[ -~]*$/)
      })
    )
  })
  it('wraps no command that is to be copied: a shell would run its first line alone', () => {
    callIt('npm run koii-mesh --')
    const command = 'npm run koii-mesh -- hint /ip4/52.20.0.77/tcp/41441 --k2 http://52.20.0.10:8899 --key /tmp/staking-key.json'
    const lines = wrapped(
      `NOTICE  nobody finds it there. Set it with ${command} and the rest is prose that is broken between its words`,
      60
    ).split('\n')
    expect(lines.map((one) => one.trim())).to.include(command)
    expect(lines.filter((one) => one.length > 60)).to.have.length(1)
    expect(
      wrapped(`record    bafy  ${command} --history`, 50)
        .split('\n')
        .map((one) => one.trim())
    ).to.include(`${command} --history`)
    // a name in a sentence is no command to paste
    expect(wrapped('see whether npm run koii-mesh -- status prints it', 30).split('\n')).to.have.length(2)
  })

  it('a line is broken between words, and none of its parts begins where a line does', () => {
    expect(wrapped('03:39:31  slot 1  missed: aaaa bbbb cccc dddd', 30)).to.equal(
      '03:39:31  slot 1  missed: aaaa\n          bbbb cccc dddd'
    )
    fc.assert(
      fc.property(anyText, fc.integer({ min: 10, max: 100 }), (text, columns) => {
        const line = `13:00:00  ${shownText(text, 1000)}`
        const lines = wrapped(line, columns).split('\n')
        expect(lines.join('').replaceAll(' ', '')).to.equal(line.replaceAll(' ', ''))
        for (const [at, one] of lines.entries()) {
          expect(at === 0 || one.startsWith('  '), one).to.equal(true)
          expect(widthOf(one) <= columns || /[!-~]{8}/.test(one), one).to.equal(true)
        }
      })
    )
  })
  it('JSON keeps its meaning and holds nothing unsafe', () => {
    fc.assert(
      fc.property(fc.record({ text: anyText }), (value) => {
        const json = shownJson(JSON.stringify(value))
        expect(JSON.parse(json)).to.deep.equal(value)
        expect(UNSAFE.test(json)).to.equal(false)
      })
    )
  })
})
