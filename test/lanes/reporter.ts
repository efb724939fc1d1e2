/** Mocha's usual report, which also says when there was nothing to run: a name that is spelt wrong is no success . */
import mocha, { type MochaOptions, type Runner } from 'mocha'

export default class Report extends mocha.reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options)
    runner.once('end', () => {
      // not `fail-zero`, which counts nothing where files run in processes of their own
      if (this.stats.tests === 0 && this.stats.pending === 0 && this.stats.failures === 0) {
        runner.failures = 1
        process.stderr.write('no test was run: nothing in these files is called like what -g or -f asks for\n')
      }
    })
  }
}
