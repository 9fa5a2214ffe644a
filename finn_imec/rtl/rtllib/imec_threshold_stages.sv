/****************************************************************************
 * @brief	Multi-threshold activation of PE accumulators, by a pipelined binary search.
 *
 * @description
 *	y = BIAS + #{ k : acc >= T[fold][pe][k] }         (FINN's MultiThreshold)
 *
 *	Each of BITS stages decides one bit of the count, the highest first:
 *
 *	  for b = BITS-1 .. 0:  if acc >= T[fold][count + 2^b - 1]  count += 2^b
 *
 *	  acc, fold --+------------||--+------------||-- ..
 *	              |    +----+      |    +----+
 *	  [table 0]---+--->| >= |--||--+--->| >= |--||-- .. --> count --> y
 *	                   +----+  [table 1]+----+
 *
 *	The table of the stage that decides bit b has the thresholds at odd multiples of 2^b of
 *	each fold: together, every threshold once, where imec_threshold_search with an engine for
 *	each PE has them, from word { fold, c } of TABLE.
 *
 *	A result is offered BITS cycles after it was taken, one result per cycle. While the last
 *	stage waits for the output, all stages wait.
 *
 *	Thresholds from STEPS on must never be reached. Does not sort or check thresholds.
 ***************************************************************************/
module imec_threshold_stages import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  NF,
	int unsigned  STEPS,	// thresholds per channel
	int unsigned  ACC_BITS,
	int unsigned  O_BITS,
	int           BIAS = 0,
	int unsigned  ROWS,	// of TABLE
	logic [ROWS-1:0][PE*ACC_BITS-1:0]  TABLE,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  FOLD_BITS = NF > 1? $clog2(NF) : 1
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  ivld,
	output	logic  irdy,
	output	logic  next_irdy,	// irdy of the next cycle, if next_ordy is ordy of the next cycle
	input	logic [FOLD_BITS-1:0]  fold,
	input	logic signed [PE-1:0][ACC_BITS-1:0]  acc,

	output	logic  ovld,
	input	logic  ordy,
	input	logic  next_ordy,
	output	logic [PE-1:0][O_BITS-1:0]  y
);
	localparam int unsigned  BITS = $clog2(STEPS+1);
	if(STEPS < 1)  $error("STEPS=%0d must be at least 1.", STEPS);
	if(ROWS != NF << BITS)  $error("ROWS=%0d must be %0d.", ROWS, NF << BITS);

	// Words { fold, bits decided } of the stage that decides this bit
	function automatic logic [ROWS-1:0][PE*ACC_BITS-1:0] words(input int unsigned  place);
		words = TABLE;
		for(int unsigned  i = 0; i < ROWS >> (place+1); i++)  words[i] = TABLE[(2*i + 1) << place];
	endfunction : words

	logic [BITS-1:0]  Vld = '0;	// of each stage's result
	uwire [BITS-1:0]  next_vld = irdy? BITS'({ Vld, ivld }) : Vld;
	always_ff @(posedge clk)  Vld <= rst? '0 : next_vld;
	assign	irdy = !Vld[BITS-1] || ordy;
	assign	next_irdy = !next_vld[BITS-1] || next_ordy;
	assign	ovld = Vld[BITS-1];

	logic [BITS-1:0][FOLD_BITS-1:0]  Fold;	// at the end of each stage
	logic [BITS-1:0][PE-1:0][ACC_BITS-1:0]  Acc;
	logic [BITS-1:0][PE-1:0][BITS-1:0]  Count;	// bits decided
	for(genvar  s = 0; s < BITS; s++) begin : genStage
		localparam int unsigned  PLACE = BITS-1 - s;	// of the bit
		localparam int unsigned  EACH  = 2**s;	// thresholds of a fold
		uwire [FOLD_BITS-1:0]  sfold;
		uwire [PE-1:0][ACC_BITS-1:0]  sacc;
		uwire [PE-1:0][BITS-1:0]  scount;
		if(s == 0)  assign  { sfold, sacc, scount } = { fold, acc, (PE*BITS)'(0) };
		else        assign  { sfold, sacc, scount } = { Fold[s-1], Acc[s-1], Count[s-1] };

		localparam logic [ROWS-1:0][PE*ACC_BITS-1:0]  WORDS = words(PLACE);
		localparam int unsigned  ADDR_BITS = NF*EACH > 1? $clog2(NF*EACH) : 1;
		for(genvar  p = 0; p < PE; p++) begin : genPE
			uwire signed [ACC_BITS-1:0]  threshold, value = sacc[p];
			imec_table #(
				.ROWS(NF*EACH), .TABLE_WIDTH(PE*ACC_BITS), .TABLE(WORDS[NF*EACH-1:0]), .LSB(p*ACC_BITS), .WIDTH(ACC_BITS), .PRIMITIVES(PRIMITIVES)
			) thresholds(.addr(ADDR_BITS'({ sfold, scount[p] } >> (BITS - s))), .q(threshold));
			always_ff @(posedge clk)  if(irdy)  Count[s][p] <= scount[p] | (BITS'(value >= threshold) << PLACE);
		end : genPE
		always_ff @(posedge clk) begin
			if(irdy) begin
				Fold[s] <= sfold;
				Acc[s]  <= sacc;
			end
		end
	end : genStage

	for(genvar  p = 0; p < PE; p++) begin : genOutput
		assign	y[p] = O_BITS'(signed'({ 1'b0, Count[BITS-1][p] }) + BIAS);
	end : genOutput

endmodule : imec_threshold_stages
