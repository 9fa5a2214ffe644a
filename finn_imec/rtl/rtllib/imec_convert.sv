/****************************************************************************
 * @brief	Stream width converter from words of IN to words of OUT elements.
 *
 * @description
 *	Keeps the order of elements, element 0 in the least significant bits. One width
 *	must be a multiple of the other:
 *	 - widening collects OUT/IN - 1 words and passes the last one through with them,
 *	 - narrowing presents the input word in pieces and takes it with the last piece,
 *	 - equal widths are wires.
 *
 *	Adds no cycle of latency; does not buffer a complete output word.
 ***************************************************************************/
module imec_convert #(
	int unsigned  IN,	// elements per input word
	int unsigned  OUT,	// elements per output word
	int unsigned  BITS	// bits per element
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  ivld,
	output	logic  irdy,
	input	logic [IN*BITS-1:0]  idat,

	output	logic  ovld,
	input	logic  ordy,
	output	logic [OUT*BITS-1:0]  odat
);
	if(IN % OUT != 0 && OUT % IN != 0)  $error("neither of IN=%0d and OUT=%0d divides the other.", IN, OUT);

	if(IN == OUT) begin : genWires
		assign	ovld = ivld;
		assign	irdy = ordy;
		assign	odat = idat;
	end : genWires
	else if(IN < OUT) begin : genWiden
		localparam int unsigned  REST = OUT - IN;
		logic [REST*BITS-1:0]  Rest;	// the words before the last, newest on top
		uwire  complete;
		imec_counter #(.N(OUT/IN)) words(.clk, .rst, .en(ivld && irdy), .left(), .last(complete));
		always_ff @(posedge clk) begin
			if(ivld && !complete)  Rest <= (REST*BITS)'({ idat, Rest } >> (IN*BITS));
		end
		assign	ovld = ivld && complete;
		assign	irdy = ordy || !complete;
		assign	odat = { idat, Rest };
	end : genWiden
	else begin : genNarrow
		localparam int unsigned  PIECES = IN/OUT;
		uwire  last;
		localparam int unsigned  BITS_LEFT = $clog2(PIECES);
		uwire [BITS_LEFT-1:0]  left;
		imec_counter #(.N(PIECES)) pieces(.clk, .rst, .en(ivld && ordy), .left, .last);
		assign	ovld = ivld;
		assign	irdy = ordy && last;
		uwire [PIECES-1:0][OUT*BITS-1:0]  piece = idat;
		assign	odat = piece[BITS_LEFT'(PIECES-1) - left];
	end : genNarrow

endmodule : imec_convert
