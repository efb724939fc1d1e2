import { expect } from 'chai'
import { tableOf } from '../../src/cli/table.ts'

const ADDRESS = '79sPp44ozvk8YAMfbokbJctzEjDabGPd8JkSFb8NpmLZ'
const HEAD = ['cycle', 'submission', 'paid']
const ROWS = [
  [1, 'missed: the task took more than 10 s and was ended, so that there was nothing to hand in this time', '48.666666666 KOII'],
  [2, 'accepted', '-']
]
const widthOf = (lines: string) => Math.max(...lines.split('\n').map(({ length }) => length))

describe('cli: tables', () => {
  it('fit the terminal, with every word whole', () => {
    const { lines } = tableOf(HEAD, ROWS, { columns: 60 })
    expect(widthOf(lines)).to.be.at.most(60)
    const words = lines.replaceAll(/[│─┌┐└┘├┤┬┴┼]/g, ' ').split(/\s+/)
    for (const word of String(ROWS[0]![1]).split(' ')) {
      expect(words).to.include(word)
    }
  })

  it('are records of one line a field where the terminal is too narrow for what must not be cut', () => {
    const { lines } = tableOf(
      ['staker', 'stake'],
      [
        [ADDRESS, '1 KOII'],
        [ADDRESS, '2 KOII']
      ],
      { columns: 40 }
    )
    expect(lines).to.equal(`staker  ${ADDRESS}\nstake   1 KOII\n\nstaker  ${ADDRESS}\nstake   2 KOII`)
  })

  it('are as wide as they are where no terminal is, without colours', () => {
    const { lines } = tableOf(HEAD, ROWS, {})
    expect(lines.split('\n')).to.have.length(6)
    expect(lines).to.include(ROWS[0]![1])
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences that must not be there
    expect(lines).not.to.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  })
})
