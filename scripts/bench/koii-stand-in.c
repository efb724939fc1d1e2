/*
 * Stands in for Koii's task program, whose binary is not public: it accepts every instruction and changes nothing, so
 * that transactions in Koii's layouts (KOII.md part B) are really signed, sent, executed and counted on the local K2.
 * What they would cost in compute units and rent is not measured with it.
 */
extern void sol_log_(const char *text, unsigned long long length);

unsigned long long entrypoint (const unsigned char *input) {
  static const char who[] = "stand-in for Koii's task program";
  (void)input;
  /* the loader wants a program that calls something */
  sol_log_(who, sizeof who - 1);
  return 0;
}
