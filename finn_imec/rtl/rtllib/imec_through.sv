/****************************************************************************
 * @brief	Words of the input that are read once, as they arrive: no line buffer.
 *
 * @description
 *	for pixel, fold < NF:           one neuron fold each
 *	  for word < FOLD:              one input word each
 *	    read  idat
 *
 *	That is the schedule of a 1x1 convolution of stride 1, or a fully connected layer, with
 *	a single neuron fold, and of a depthwise 1x1 convolution, each fold of which has its own
 *	channels.
 *
 *	  idat -----------||-[||]--> q               STEPS registers
 *	  ivld, wvld ---> rvld
 *	                   +-> counters --> weight_addr, rfirst, rlast
 *
 *	A word is read in the cycle in which it is there, if its weights are, too. What the
 *	counters say of the next read is in registers.
 *
 *	Does not hold words: the input waits while en is low.
 ***************************************************************************/
module imec_through #(
	int unsigned  WIDTH,
	int unsigned  FOLD,	// words of a neuron fold
	int unsigned  NF,
	int unsigned  STEPS = 1,	// from the read to the word, 1 or 2

	localparam int unsigned  WEIGHTS     = NF*FOLD,
	localparam int unsigned  WEIGHT_BITS = WEIGHTS > 1? $clog2(WEIGHTS) : 1
)(
	input	logic  clk,
	input	logic  rst,

	// Pipeline enable, and the same for what decides about reads: nothing moves while low
	input	logic  en,
	input	logic  moves,

	input	logic  ivld,
	output	logic  irdy,
	input	logic [WIDTH-1:0]  idat,

	// Weight memory; reads wait for its word
	input	logic  wvld,
	output	logic [WEIGHT_BITS-1:0]  weight_addr,

	// Word read in this cycle
	output	logic  rvld,
	output	logic  rfirst,	// first word of a fold
	output	logic  rlast,	// last word of a fold
	output	logic [WIDTH-1:0]  q	// STEPS steps later
);
	if(STEPS < 1 || STEPS > 2)  $error("STEPS=%0d must be 1 or 2.", STEPS);

	assign	irdy = moves && wvld;
	assign	rvld = ivld && irdy;

	uwire  fold_last;
	imec_counter #(.N(FOLD)) words(.clk, .rst, .en(rvld),          .left(), .last(rlast));
	imec_counter #(.N(NF))   folds(.clk, .rst, .en(rvld && rlast), .left(), .last(fold_last));
	logic  First = 1;
	logic [WEIGHT_BITS-1:0]  WeightAddr = '0;
	always_ff @(posedge clk) begin
		if(rst) begin
			First      <= 1;
			WeightAddr <= '0;
		end
		else if(rvld) begin
			First      <= rlast;
			WeightAddr <= rlast && fold_last? '0 : WeightAddr + 1'b1;
		end
	end
	assign	rfirst = First;
	assign	weight_addr = WeightAddr;

	imec_delay #(.WIDTH(WIDTH), .STEPS(STEPS)) word(.clk, .en, .d(idat), .q);

endmodule : imec_through
