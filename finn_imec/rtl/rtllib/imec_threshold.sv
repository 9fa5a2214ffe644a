/****************************************************************************
 * @brief	Multi-threshold activation of PE accumulators, all in parallel.
 *
 * @description
 *	y = BIAS + #{ k : acc >= T[fold][pe][k] }         (FINN's MultiThreshold)
 *
 *	  acc ------------->+----+
 *	  fold --> [ROM] -->| >= |--||--> number --> y
 *	                    +----+
 *
 *	The thresholds of one neuron fold are one word of INIT_FILE, PE major:
 *	  word = { T[PE-1][STEPS-1] .. T[PE-1][0], .., T[0][STEPS-1] .. T[0][0] }
 *
 *	A result is offered in the cycle after it was taken, one result per cycle.
 *
 *	Does not sort or check thresholds.
 ***************************************************************************/
module imec_threshold import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  NF,
	int unsigned  STEPS,	// thresholds per channel
	int unsigned  ACC_BITS,
	int unsigned  O_BITS,
	int           BIAS = 0,
	parameter     INIT_FILE,
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
	if(STEPS < 1)  $error("STEPS=%0d must be at least 1.", STEPS);

	logic  Vld = 0;
	uwire  next_vld = irdy? ivld : Vld;
	always_ff @(posedge clk)  Vld <= !rst && next_vld;
	assign	irdy = !Vld || ordy;
	assign	next_irdy = !next_vld || next_ordy;
	assign	ovld = Vld;

	logic [PE*STEPS*ACC_BITS-1:0]  Mem[NF];
	initial  $readmemh(INIT_FILE, Mem);
	uwire [PE-1:0][STEPS-1:0][ACC_BITS-1:0]  thresholds = Mem[fold];

	localparam int unsigned  COUNT_BITS = $clog2(STEPS+1);
	for(genvar  p = 0; p < PE; p++) begin : genPE
		logic [STEPS-1:0]  Reached;
		for(genvar  k = 0; k < STEPS; k++) begin : genStep
			always_ff @(posedge clk)  if(irdy)  Reached[k] <= signed'(acc[p]) >= signed'(thresholds[p][k]);
		end : genStep
		uwire [COUNT_BITS-1:0]  n;
		if(PRIMITIVES == BEHAVIOR)  assign  n = COUNT_BITS'($countones(Reached));
		else begin : genCount
			imec_compress #(.COLS(COUNT_BITS), .HEIGHT(heights_t'(STEPS)), .COUNTER(6), .PRIMITIVES(PRIMITIVES)) count(
				.clk(1'b0), .en(1'b0), .d(Reached), .y(n)
			);
		end : genCount
		assign	y[p] = O_BITS'(signed'({ 1'b0, n }) + BIAS);
	end : genPE

endmodule : imec_threshold
