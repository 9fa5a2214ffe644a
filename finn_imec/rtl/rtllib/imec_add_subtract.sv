/****************************************************************************
 * @brief	Accumulator that adds or subtracts.
 *
 * @description
 *	acc <- (first? start : acc) + (negate? -d : d),  d signed
 *
 *	One LUT a bit: o5 is the bit of start or accumulator, o6 its sum with that of d or ~d. The
 *	carry into the lowest bit is negate.
 *
 *	  start, acc, first -->+------+--o6 (propagate) -->+-------+
 *	                       | LUT  |                    | carry |-||--> acc
 *	          d, negate -->+------+--o5 (generate)  -->+-------+
 *
 *	All five inputs are used: synthesis can't merge a table of start values into the LUTs.
 *
 *	Does not saturate: BITS must hold the sum.
 ***************************************************************************/
module imec_add_subtract import imec_pkg::*; #(
	int unsigned  D_BITS,
	int unsigned  BITS,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic  clk,

	input	logic  en,
	input	logic  first,
	input	logic [BITS-1:0]  start,
	input	logic  negate,
	input	logic [D_BITS-1:0]  d,
	output	logic [BITS-1:0]  acc
);
	// Inputs from bit 0 on: d, negate, first, start, accumulator; the last one is 1 for o6
	function automatic logic [63:0] both();
		automatic logic [63:0]  init;
		for(int unsigned  x = 0; x < 64; x++) begin
			automatic bit  base = 1'(x >> 2)? 1'(x >> 3) : 1'(x >> 4);
			init[x] = base ^ (1'(x >> 5) && (1'(x) != 1'(x >> 1)));
		end
		return  init;
	endfunction : both

	uwire [BITS-1:0]  term = BITS'(signed'(d));
	logic [BITS-1:0]  Acc;
	uwire [BITS-1:0]  propagate, generated;
	for(genvar  i = 0; i < BITS; i++) begin : genBit
		imec_lut6x2 #(.INIT(both()), .PRIMITIVES(PRIMITIVES)) lut(
			.i({ 1'b1, Acc[i], start[i], first, negate, term[i] }), .o6(propagate[i]), .o5(generated[i])
		);
	end : genBit
	uwire [BITS-1:0]  sum;
	uwire  unused;
	assign	{ sum, unused } = { generated, negate } + { generated ^ propagate, negate };
	always_ff @(posedge clk)  if(en)  Acc <= sum;
	assign	acc = Acc;

endmodule : imec_add_subtract
