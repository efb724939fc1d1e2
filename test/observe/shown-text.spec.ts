import { expect } from 'chai'
import fc from 'fast-check'
import { shownJson, shownText } from '../../src/observe/shown-text.ts'

/** What a terminal may act on, or a reader cannot see. */
const UNSAFE = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u3164\u{e0000}-\u{e007f}]|\p{Cs}/u
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ max: 0xffff }).map((unit) => String.fromCharCode(unit)) })
)

describe('observe: text of others', () => {
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
        expect(UNSAFE.test(shown), JSON.stringify(shown)).to.equal(false)
        expect(shownText(shown, maxLength)).to.equal(shown)
      })
    )
    expect(shownText('x'.repeat(10_000))).to.equal(`${'x'.repeat(199)}…`)
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
