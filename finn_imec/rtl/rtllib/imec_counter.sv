/****************************************************************************
 * @brief	Modulo-N counter of one loop in a loop nest.
 *
 * @description
 *	Counts N-1, N-2, ..., 0 and reloads, one step per cycle with en high.
 *	last is high on the final step (count 0), from a register: nothing is compared
 *	behind it. N = 1 needs no register.
 *
 *	Does not saturate and has no load other than its reset.
 ***************************************************************************/
module imec_counter #(
	int unsigned  N,
	localparam int unsigned  BITS = N > 1? $clog2(N) : 1
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  en,
	output	logic [BITS-1:0]  left,	// steps left after this one
	output	logic  last
);
	if(N < 1)  $error("N=%0d must be at least 1.", N);

	if(N == 1) begin : genConst
		assign	left = '0;
		assign	last = 1'b1;
	end : genConst
	else begin : genCount
		localparam logic [BITS-1:0]  RELOAD = BITS'(N-1);
		logic [BITS-1:0]  Left;
		logic  Last;	// Left == 0
		always_ff @(posedge clk) begin
			if(rst) begin
				Left <= RELOAD;
				Last <= 0;
			end
			else if(en) begin
				Left <= Last? RELOAD : Left - 1'b1;
				Last <= Left == BITS'(1);
			end
		end
		assign	left = Left;
		assign	last = Last;
	end : genCount

endmodule : imec_counter
