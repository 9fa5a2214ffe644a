// Claims of a proof with a parameter LEVEL. Those of a level hold by induction over one cycle, given
// those of the levels below. LEVEL 0 claims the properties alone, which is for finding counterexamples.
`define LEMMA(level, claim)  begin if(LEVEL == level)  assert(claim); if(LEVEL > level)  assume(claim); end
`define PROPERTY(level, claim)  begin if(LEVEL inside {0, level})  assert(claim); if(LEVEL > level)  assume(claim); end
