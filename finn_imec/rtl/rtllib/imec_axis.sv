/****************************************************************************
 * @brief	Position on an image axis, with a flag where windows end.
 *
 * @description
 *	Counts N-1, N-2, ..., 0 positions left and starts again, one step per cycle with en
 *	high. hit is high at positions SPAN-1, SPAN-1 + STRIDE, SPAN-1 + 2*STRIDE, ... < N,
 *	counted from the first: the last pixels of the windows on this axis.
 *
 *	                 SPAN      STRIDE    STRIDE
 *	           |<---------->|<------->|<------->|
 *	left  N-1  o o o o o o o o o o o o o o o o o o o o  0
 *	hit                    ^         ^         ^        last
 *
 *	Sees only the span of a dilated window, not its gaps.
 ***************************************************************************/
module imec_axis #(
	int unsigned  N,
	int unsigned  SPAN,	// of a window, from its first to its last position
	int unsigned  STRIDE,
	localparam int unsigned  BITS = N > 1? $clog2(N) : 1
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  en,
	output	logic [BITS-1:0]  left,	// positions left after this one
	output	logic  last,
	output	logic  hit
);
	if(SPAN < 1 || SPAN > N)  $error("SPAN=%0d must be 1 to N=%0d.", SPAN, N);
	if(STRIDE < 1)  $error("STRIDE=%0d must be at least 1.", STRIDE);

	// Like imec_counter, with a power-up value: it keeps Yosys from absorbing the register into a
	// memory it addresses, whose read and write addresses would then differ.
	logic [BITS-1:0]  Left = BITS'(N-1);
	always_ff @(posedge clk) begin
		if(rst)      Left <= BITS'(N-1);
		else if(en)  Left <= last? BITS'(N-1) : Left - 1'b1;
	end
	assign	left = Left;
	assign	last = Left == '0;

	localparam logic [BITS-1:0]  FIRST = BITS'(N - SPAN);	// left at the first hit
	if(STRIDE > N - SPAN)  assign  hit = left == FIRST;
	else if(STRIDE == 1)   assign  hit = SPAN == 1 || left <= FIRST;
	else begin : genStride
		localparam int unsigned  WAIT_MAX  = (SPAN > STRIDE? SPAN : STRIDE) - 1;
		localparam int unsigned  WAIT_BITS = $clog2(WAIT_MAX + 1);
		logic [WAIT_BITS-1:0]  Wait;	// positions before the next hit
		always_ff @(posedge clk) begin
			if(rst)      Wait <= WAIT_BITS'(SPAN - 1);
			else if(en)  Wait <= last? WAIT_BITS'(SPAN - 1) : hit? WAIT_BITS'(STRIDE - 1) : Wait - 1'b1;
		end
		assign	hit = Wait == '0;
	end : genStride

endmodule : imec_axis
