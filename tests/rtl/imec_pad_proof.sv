/****************************************************************************
 * @brief	Proof that imec_pad gives the padded image.
 *
 * @description
 *	Output words are those of padded frames in raster order, forever: input words, as
 *	they arrive, inside the image and zero elsewhere. Reset, input valid and data, and
 *	output ready are free in every cycle.
 ***************************************************************************/
`include "claims.svh"

module imec_pad_proof #(
	int unsigned  LEVEL,

	// Padded image, in pixels of CF words
	int unsigned  H,
	int unsigned  W,
	int unsigned  CF,
	int unsigned  TOP,
	int unsigned  LEFT,
	int unsigned  BOTTOM,
	int unsigned  RIGHT,

	// Its runs
	int unsigned  FIRST,
	int unsigned  RUN,
	int unsigned  RUNS,
	int unsigned  GAP,
	int unsigned  BETWEEN
)(
	input	logic  clk,
	input	logic  rst,
	input	logic  ivld,
	input	logic [1:0]  idat,
	input	logic  ordy
);
	uwire  irdy, ovld;
	uwire [1:0]  odat;
	imec_pad #(
		.WIDTH(2), .FIRST(FIRST), .RUN(RUN), .RUNS(RUNS), .GAP(GAP), .BETWEEN(BETWEEN)
	) dut(.clk, .rst, .ivld, .irdy, .idat, .ovld, .ordy, .odat);

	//-----------------------------------------------------------------------
	// Definition
	logic [7:0]  Y, X, C;	// of the next output word
	uwire  c_end = C == CF - 1;
	uwire  x_end = c_end && X == W - 1;
	uwire  y_end = x_end && Y == H - 1;
	uwire  image = Y >= TOP && Y < H - BOTTOM && X >= LEFT && X < W - RIGHT;

	logic  Ready = 0;	// has been reset
	always_ff @(posedge clk) begin
		if(rst) begin
			Ready <= 1;
			{ Y, X, C } <= '0;
		end
		else if(ovld && ordy) begin
			C <= c_end? '0 : C + 1'b1;
			if(c_end)  X <= x_end? '0 : X + 1'b1;
			if(x_end)  Y <= y_end? '0 : Y + 1'b1;
		end
	end

	//-----------------------------------------------------------------------
	// State of the unit as a function of the position
	if(BETWEEN > 0) begin : genPad
		localparam int unsigned  LAST = H - BOTTOM - 1;	// last row of the image
		uwire  left_of = X < LEFT;	// beside the image
		uwire  right_of = X >= W - RIGHT;
		uwire  above  = Y < TOP || Y == TOP && left_of;	// before its first word
		uwire  below  = Y > LAST || Y == LAST && right_of;	// after its last word

		// First word of the next run, as a pixel index in the frame
		logic signed [15:0]  turn;
		always_comb begin
			if(above)               turn = TOP*W + LEFT;
			else if(below)          turn = (H + TOP)*W + LEFT;
			else if(!image)         turn = (Y + 8'(right_of))*W + LEFT;
			else if(LEFT + RIGHT == 0)  turn = (LAST + 1)*W;
			else                    turn = Y*W + W - RIGHT;
		end
		uwire signed [15:0]  left = (turn - (Y*W + X))*CF - C;

		always_comb begin
			if(Ready) begin
				`LEMMA(1, Y < H && X < W && C < CF)
				`LEMMA(1, dut.genPad.Pad == !image)
				`LEMMA(1, 16'(dut.genPad.Left) == left - 16'sd2)
				`LEMMA(1, dut.genPad.frame_last == (dut.genPad.runs.left == '0))
				if(RUNS > 1)  `LEMMA(1, dut.genPad.runs.left == (above || below? RUNS - 1 : LAST - Y - 32'(!image && right_of)))
			end
		end
	end : genPad
	else begin : genNoPad
		always_comb  if(Ready)  `LEMMA(1, Y < H && X < W && C < CF)
	end : genNoPad

	//-----------------------------------------------------------------------
	// Properties
	always_comb begin
		if(Ready) begin
			`PROPERTY(2, ovld == (ivld || !image))	// padding waits for no input
			`PROPERTY(2, irdy == (ordy && image))	// and takes none
			if(ovld)  `PROPERTY(2, odat == (image? idat : '0))
		end
	end

endmodule : imec_pad_proof
