/****************************************************************************
 * @brief	Accumulated products of one activation and a weight of four bits, in pairs of bits.
 *
 * @description
 *	acc <- (first? START : acc) + sum_ij 2^(i+j) * ((a[i] & w[j]) ^ negative_ij)
 *
 *	That is a*w up to the constant of imec_dot_planes: negative are the partial products of
 *	one sign bit. Two bits of the weight take an adder whose LUTs hold the partial products;
 *	the accumulator adds three words, with a LUT for each bit as in imec_add3:
 *
 *	  a, w[1:0] -->[ + ]--x---------+
 *	                                 >-->[ + + ]--||--+--> acc
 *	  a, w[3:2] -->[ + ]--x-- << 2 -+      ^          |
 *	                                       +-- first? +
 *
 *	A carry into the next LUT looks like a path through it to timing analysis, though it is
 *	none to the carry after it: every other one comes from a LUT of its own.
 *
 *	STEPS registers are at the x; vld and first arrive with what they hold.
 *
 *	Does not saturate.
 ***************************************************************************/
module imec_pairs import imec_pkg::*; #(
	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  W_SIGNED,
	int unsigned  ACC_BITS,
	logic [ACC_BITS-1:0]  START,
	int unsigned  STEPS = 0,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic  clk,

	input	logic  en,
	input	logic [A_BITS-1:0]  a,
	input	logic [3:0]  w,

	input	logic  vld,
	input	logic  first,
	output	logic [ACC_BITS-1:0]  acc
);
	localparam int unsigned  PAIR_BITS = A_BITS + 2;

	// Of a pair's bit. Inputs from bit 0 on: activation and weight bits of the lower and of the higher row; 1 for o6
	function automatic logic [63:0] rows(input bit  lower, input bit  higher, input bit  no_lower, input bit  no_higher);
		automatic logic [63:0]  init;
		for(int unsigned  x = 0; x < 64; x++) begin
			automatic bit  low  = !no_lower  && (((x & 3) == 3) != lower);
			automatic bit  high = !no_higher && (((x & 12) == 12) != higher);
			init[x] = x < 32? low : low != high;
		end
		return  init;
	endfunction : rows

	// Of the accumulator's bit. Inputs: acc, first, a bit of each pair, the carry of the bit below; 1 for o6
	function automatic logic [63:0] sums(input bit  start);
		automatic logic [63:0]  init;
		for(int unsigned  x = 0; x < 64; x++) begin
			automatic bit  base = (x & 2) != 0? start : (x & 1) != 0;
			automatic int unsigned  ones = 32'(base) + ((x >> 2) & 1) + ((x >> 3) & 1);
			init[x] = x < 32? ones > 1 : 1'(ones + (x >> 4));
		end
		return  init;
	endfunction : sums

	//-----------------------------------------------------------------------
	// Pairs of bits of the weight
	uwire [1:0][PAIR_BITS-1:0]  pair;
	for(genvar  k = 0; k < 2; k++) begin : genPair
		uwire [A_BITS:0]  propagate, generated;
		for(genvar  i = 0; i <= A_BITS; i++) begin : genBit
			localparam int unsigned  LOW  = i < A_BITS? i : A_BITS-1;
			localparam int unsigned  HIGH = i > 0? i-1 : 0;
			imec_lut6x2 #(
				.INIT(rows(A_SIGNED && i == A_BITS-1, (A_SIGNED && i == A_BITS) ^ (W_SIGNED && k == 1), i == A_BITS, i == 0)),
				.PRIMITIVES(PRIMITIVES)
			) lut(.i({ 2'b10, w[2*k+1], a[HIGH], w[2*k], a[LOW] }), .o6(propagate[i]), .o5(generated[i]));
		end : genBit
		// verilator lint_off WIDTHEXPAND
		uwire [PAIR_BITS-1:0]  sum = generated + (generated ^ propagate);
		// verilator lint_on WIDTHEXPAND
		imec_delay #(.WIDTH(PAIR_BITS), .STEPS(STEPS)) late(.clk, .en, .d(sum), .q(pair[k]));
	end : genPair

	//-----------------------------------------------------------------------
	// Accumulator
	logic [ACC_BITS-1:0]  Acc;
	uwire [ACC_BITS-1:0]  propagate;
	uwire [ACC_BITS:0]  carry;
	assign	carry[0] = 1'b0;
	for(genvar  i = 0; i < ACC_BITS; i++) begin : genSum
		uwire  low, high, o5;
		if(i < PAIR_BITS)  assign  low = pair[0][i];
		else               assign  low = 1'b0;
		if(i >= 2 && i < PAIR_BITS+2)  assign  high = pair[1][i-2];
		else                           assign  high = 1'b0;
		imec_lut6x2 #(.INIT(sums(START[i])), .PRIMITIVES(PRIMITIVES)) lut(
			.i({ 1'b1, carry[i], high, low, first, Acc[i] }), .o6(propagate[i]), .o5
		);
		if(i >= PAIR_BITS+2)           assign  carry[i+1] = 1'b0;
		else if(i == 0 || i % 2 == 1)  assign  carry[i+1] = o5;
		else begin : genMajority
			uwire  base = first? START[i] : Acc[i];
			assign	carry[i+1] = (low & high) | (base & (low | high));
		end : genMajority
	end : genSum
	always_ff @(posedge clk)  if(en && vld)  Acc <= carry[ACC_BITS-1:0] + (carry[ACC_BITS-1:0] ^ propagate);
	assign	acc = Acc;

endmodule : imec_pairs
