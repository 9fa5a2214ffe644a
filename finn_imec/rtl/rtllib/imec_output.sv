/****************************************************************************
 * @brief	Output register of a stream, of one or two words.
 *
 * @description
 *	                 +-------+      +------+
 *	 idat ----+----->| Spare |----->| Word |--> odat, ovld from registers
 *	          |      +-------+   |  +------+
 *	          +------------------+
 *
 *	irdy comes from a register and is low only while all WORDS are held, so that no path
 *	leads from ordy to irdy. next_irdy is irdy of the next cycle, for registers before
 *	the stream that must know it a cycle ahead.
 *
 *	With two words, one word passes per cycle; with one, one in two cycles at most.
 ***************************************************************************/
module imec_output #(
	int unsigned  WIDTH,
	int unsigned  WORDS	// 1 or 2
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  ivld,
	output	logic  irdy,
	output	logic  next_irdy,
	input	logic [WIDTH-1:0]  idat,

	output	logic  ovld,
	input	logic  ordy,
	output	logic [WIDTH-1:0]  odat
);
	if(WORDS != 1 && WORDS != 2)  $error("WORDS=%0d must be 1 or 2.", WORDS);

	logic  Vld = 0;
	logic [WIDTH-1:0]  Word;
	uwire  free = !Vld || ordy;	// Word can change
	assign	ovld = Vld;
	assign	odat = Word;

	if(WORDS == 1) begin : genOne
		uwire  push = ivld && !Vld;
		uwire  next = Vld? !ordy : ivld;
		assign	irdy = !Vld;
		assign	next_irdy = !next;
		always_ff @(posedge clk) begin
			if(rst)  Vld <= 0;
			else     Vld <= next;
			if(push)  Word <= idat;
		end
	end : genOne
	else begin : genTwo
		logic  Full = 0;	// Spare holds a word too
		logic [WIDTH-1:0]  Spare;
		uwire  next = !free && (Full || ivld);
		assign	irdy = !Full;
		assign	next_irdy = !next;
		always_ff @(posedge clk) begin
			if(rst) begin
				Vld  <= 0;
				Full <= 0;
			end
			else begin
				if(free)  Vld <= Full || ivld;
				Full <= next;
			end
			if(!Full)  Spare <= idat;
			if(free)   Word  <= Full? Spare : idat;
		end
	end : genTwo

endmodule : imec_output
