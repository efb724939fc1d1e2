/** No spec: a file of the fast lane that starts nothing. */
describe('sample that is as it should be', () => {
  it('passes', () => {})
})
