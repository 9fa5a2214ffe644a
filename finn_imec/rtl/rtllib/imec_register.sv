/****************************************************************************
 * @brief	One-word register of a stream.
 *
 * @description
 *	         +------+
 *	 idat -->| Word |--> odat
 *	         +------+
 *	 irdy <-- !Vld || ordy
 *
 *	A word is offered in the cycle after it was taken, one word per cycle. No path leads
 *	from ivld or idat to the output.
 *
 *	Does not cut the path from ordy to irdy: ordy must come from registers.
 ***************************************************************************/
module imec_register #(
	int unsigned  WIDTH
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
	logic  Vld = 0;
	logic [WIDTH-1:0]  Word;
	assign	irdy = !Vld || ordy;
	always_ff @(posedge clk) begin
		if(rst)        Vld <= 0;
		else if(irdy)  Vld <= ivld;
		if(irdy)  Word <= idat;
	end
	assign	ovld = Vld;
	assign	odat = Word;

endmodule : imec_register
