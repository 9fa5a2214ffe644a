/****************************************************************************
 * @brief	Pipelined sum of unsigned words.
 *
 * @description
 *	y = sum_i d[i]  from ceil(log4(N)) cycles with en high before
 *
 *	A register follows every two levels of adders. N = 1 is a wire.
 ***************************************************************************/
module imec_sum #(
	int unsigned  N,
	int unsigned  BITS,

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
	else begin : genSum
		localparam int unsigned  GROUPS = (N + 3) / 4;
		localparam int unsigned  SUM_BITS = N > 2? BITS + 2 : BITS + 1;
		uwire [4*GROUPS-1:0][BITS-1:0]  x = (4*GROUPS*BITS)'(d);
		logic [GROUPS-1:0][SUM_BITS-1:0]  Sum;
		for(genvar  g = 0; g < GROUPS; g++) begin : genGroup
			uwire [BITS:0]  sum01 = x[4*g+0] + x[4*g+1];
			uwire [BITS:0]  sum23 = x[4*g+2] + x[4*g+3];
			always_ff @(posedge clk)  if(en)  Sum[g] <= SUM_BITS'(sum01) + SUM_BITS'(sum23);
		end : genGroup

		uwire [SUM_BITS+$clog2(GROUPS)-1:0]  sum;
		imec_sum #(.N(GROUPS), .BITS(SUM_BITS)) rest(.clk, .en, .d(Sum), .y(sum));
		assign	y = Y_BITS'(sum);
	end : genSum

endmodule : imec_sum
