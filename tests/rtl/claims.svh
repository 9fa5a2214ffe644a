// Claims of a proof with a parameter LEVEL. Claims of one level hold by induction over one cycle, given
// those of the lower levels. LEVEL 0 claims only the properties, to find counterexamples.
`define LEMMA(level, claim)  begin if(LEVEL == level)  assert(claim); if(LEVEL > level)  assume(claim); end
`define PROPERTY(level, claim)  begin if(LEVEL inside {0, level})  assert(claim); if(LEVEL > level)  assume(claim); end
