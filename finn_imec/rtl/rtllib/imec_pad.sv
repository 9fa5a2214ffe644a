/****************************************************************************
 * @brief	Zero words around the words of an image, for a padded convolution.
 *
 * @description
 *	FIRST, { RUN in, GAP, RUN in, GAP, ... RUN in, BETWEEN } { ... }	RUNS of RUN per frame
 *
 *	. . . . . . .     .  FIRST words of padding come before the first frame.
 *	. . x x x x .     x  A row of the image is a RUN of input words. GAP words follow:
 *	. . x x x x .        the padding to its right and to the left of the next row.
 *	. . x x x x .        After the last row, BETWEEN words also hold the rows below
 *	. . . . . . .        and those above the next frame.
 *
 *	Without padding to the left and right, the whole image is one RUN. BETWEEN = 0
 *	means no padding: wires.
 *
 *	A word of padding is available in every cycle and takes no input word. Input words
 *	pass through in the cycle in which they arrive.
 *
 *	Does not wait for a frame to begin: the padding above it follows the frame before,
 *	and that of the first frame is offered from reset on.
 ***************************************************************************/
module imec_pad #(
	int unsigned  WIDTH,	// bits of a word
	int unsigned  FIRST,
	int unsigned  RUN,
	int unsigned  RUNS,
	int unsigned  GAP,
	int unsigned  BETWEEN
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  ivld,
	output	logic  irdy,
	input	logic [WIDTH-1:0]  idat,

	output	logic  ovld,
	input	logic  ordy,
	output	logic [WIDTH-1:0]  odat
);
	if(BETWEEN == 0) begin : genWires
		assign	ovld = ivld;
		assign	irdy = ordy;
		assign	odat = idat;
	end : genWires
	else begin : genPad
		if(RUN < 1)  $error("RUN=%0d must be at least 1.", RUN);
		if(FIRST > BETWEEN)  $error("FIRST=%0d must be at most BETWEEN=%0d.", FIRST, BETWEEN);
		if(RUNS > 1 && (GAP < 1 || GAP > BETWEEN))  $error("GAP=%0d between RUNS=%0d must be 1 to BETWEEN=%0d.", GAP, RUNS, BETWEEN);

		// Words left in a run after this one, minus one: the sign bit marks the last word
		localparam int unsigned  LONGEST = RUN > BETWEEN? RUN : BETWEEN;
		localparam int unsigned  BITS = 1 + $clog2(LONGEST);
		typedef logic signed [BITS-1:0]  left_t;

		left_t  Left;
		logic   Pad;
		uwire  move = ovld && ordy;
		uwire  turn = move && Left[BITS-1];
		uwire  frame_last;
		imec_counter #(.N(RUNS)) runs(.clk, .rst, .en(turn && !Pad), .left(), .last(frame_last));
		always_ff @(posedge clk) begin
			if(rst) begin
				Pad  <= FIRST > 0;
				Left <= FIRST > 0? left_t'(int'(FIRST) - 2) : left_t'(int'(RUN) - 2);
			end
			else begin
				if(turn)  Pad <= !Pad;
				if(move) begin
					Left <=
						!Left[BITS-1]? Left - left_t'(1) :
						Pad?           left_t'(int'(RUN) - 2) :
						frame_last?    left_t'(int'(BETWEEN) - 2) : left_t'(int'(GAP) - 2);
				end
			end
		end

		assign	ovld = ivld || Pad;
		assign	irdy = ordy && !Pad;
		assign	odat = Pad? '0 : idat;
	end : genPad

endmodule : imec_pad
