/****************************************************************************
 * @brief	Pipelined sum of unsigned words.
 *
 * @description
 *	y = sum_i d[i]  from ceil(log4(N)) cycles with en high before
 *
 *	A register follows each four words, of which imec_add3 adds three in one carry chain:
 *
 *	  d[0] --+
 *	  d[1] --+ add3 --+
 *	  d[2] --+        + --||-- ... --> y
 *	  d[3] -----------+
 *
 *	N = 1 is a wire. The words are unsigned; y does not overflow.
 ***************************************************************************/
module imec_sum import imec_pkg::*; #(
	int unsigned  N,
	int unsigned  BITS,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = BITS + $clog2(N)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [N-1:0][BITS-1:0]  d,
	output	logic [Y_BITS-1:0]  y
);
	if(N == 1) begin : genWire
		assign	y = d;
	end : genWire
	else if(N > 2) begin : genThrees
		localparam int unsigned  GROUPS = (N + 3) / 4;
		localparam int unsigned  SUM_BITS = BITS + 2;
		uwire [4*GROUPS-1:0][BITS-1:0]  x = (4*GROUPS*BITS)'(d);
		logic [GROUPS-1:0][SUM_BITS-1:0]  Sum;
		for(genvar  g = 0; g < GROUPS; g++) begin : genGroup
			if(N - 4*g > 2) begin : genThree
				uwire [BITS+1:0]  three;
				imec_add3 #(.BITS(BITS), .GROUP(2), .PRIMITIVES(PRIMITIVES)) add(.a(x[4*g]), .b(x[4*g+1]), .c(x[4*g+2]), .y(three));
				always_ff @(posedge clk)  if(en)  Sum[g] <= three + SUM_BITS'(x[4*g+3]);
			end : genThree
			else begin : genTwo
				always_ff @(posedge clk)  if(en)  Sum[g] <= SUM_BITS'(x[4*g]) + SUM_BITS'(x[4*g+1]);
			end : genTwo
		end : genGroup

		uwire [SUM_BITS+$clog2(GROUPS)-1:0]  sum;
		imec_sum #(.N(GROUPS), .BITS(SUM_BITS), .PRIMITIVES(PRIMITIVES)) rest(.clk, .en, .d(Sum), .y(sum));
		assign	y = Y_BITS'(sum);
	end : genThrees
	else begin : genTwo
		logic [BITS:0]  Sum;
		always_ff @(posedge clk)  if(en)  Sum <= (BITS+1)'(d[0]) + (BITS+1)'(d[1]);
		assign	y = Sum;
	end : genTwo

endmodule : imec_sum
