/** # audit: which submissions a node looks at. Pure. Spec: protocols/audit/README.md. */
export { sampleSubmissions } from './sampling.ts'
