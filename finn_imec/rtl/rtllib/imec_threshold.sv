/****************************************************************************
 * @brief	Multi-threshold activation of PE accumulators, all in parallel.
 *
 * @description
 *	y = BIAS + #{ k : acc >= T[fold][pe][k] }         (FINN's MultiThreshold)
 *
 *	The thresholds of one neuron fold are one word of INIT_FILE, PE major:
 *	  word = { T[PE-1][STEPS-1] .. T[PE-1][0], .., T[0][STEPS-1] .. T[0][0] }
 *
 *	Combinational from fold and acc; does not sort or check thresholds.
 ***************************************************************************/
module imec_threshold import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  NF,
	int unsigned  STEPS,	// thresholds per channel
	int unsigned  ACC_BITS,
	int unsigned  O_BITS,
	int           BIAS = 0,
	parameter     INIT_FILE,

	localparam int unsigned  FOLD_BITS = NF > 1? $clog2(NF) : 1
)(
	input	logic [FOLD_BITS-1:0]  fold,
	input	logic signed [PE-1:0][ACC_BITS-1:0]  acc,
	output	logic [PE-1:0][O_BITS-1:0]  y
);
	if(STEPS < 1)  $error("STEPS=%0d must be at least 1.", STEPS);

	logic [PE*STEPS*ACC_BITS-1:0]  Mem[NF];
	initial  $readmemh(INIT_FILE, Mem);
	uwire [PE-1:0][STEPS-1:0][ACC_BITS-1:0]  thresholds = Mem[fold];

	localparam int unsigned  COUNT_BITS = $clog2(STEPS+1);
	for(genvar  p = 0; p < PE; p++) begin : genPE
		uwire [STEPS-1:0]  reached;
		for(genvar  k = 0; k < STEPS; k++) begin : genStep
			assign	reached[k] = signed'(acc[p]) >= signed'(thresholds[p][k]);
		end : genStep
		uwire [COUNT_BITS-1:0]  n;
`ifdef SYNTHESIS
		imec_compress #(.COLS(COUNT_BITS), .HEIGHT(heights_t'(STEPS))) count(.clk(1'b0), .en(1'b0), .d(reached), .y(n));
`else
		assign	n = COUNT_BITS'($countones(reached));	// the same, faster to simulate
`endif
		assign	y[p] = O_BITS'(signed'({ 1'b0, n }) + BIAS);
	end : genPE

endmodule : imec_threshold
