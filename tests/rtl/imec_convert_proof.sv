/****************************************************************************
 * @brief	Proof that imec_convert only regroups elements into words of another width.
 *
 * @description
 *	Elements carry their number modulo 2**BITS, a range above what the converter holds.
 *	Reset and both handshakes are free in every cycle, except that an offered word
 *	stays until it is taken.
 ***************************************************************************/
`include "claims.svh"

module imec_convert_proof #(
	int unsigned  LEVEL,
	int unsigned  IN,
	int unsigned  OUT
)(
	input	logic  clk,
	input	logic  rst,
	input	logic  ivld,
	input	logic  ordy
);
	localparam int unsigned  MOST = IN > OUT? IN : OUT;
	localparam int unsigned  BITS = $clog2(MOST) + 2;
	logic [BITS-1:0]  In, Out;	// numbers of the next words' first elements
	uwire [BITS-1:0]  ahead = In - Out;	// elements taken but not yet sent
	uwire [BITS-1:0]  there = ahead + BITS'(ivld? IN : 0);

	uwire  irdy, ovld;
	logic [ IN-1:0][BITS-1:0]  idat;
	uwire [OUT-1:0][BITS-1:0]  odat;
	always_comb  for(int unsigned  i = 0; i < IN; i++)  idat[i] = In + BITS'(i);
	imec_convert #(.IN(IN), .OUT(OUT), .BITS(BITS)) dut(.clk, .rst, .ivld, .irdy, .idat, .ovld, .ordy, .odat);

	logic  Ready = 0;	// has been reset
	logic  Offered = 0;
	always_ff @(posedge clk) begin
		Offered <= !rst && ivld && !irdy;
		if(rst) begin
			Ready <= 1;
			{ In, Out } <= '0;
		end
		else begin
			if(ivld && irdy)  In  <= In  + BITS'(IN);
			if(ovld && ordy)  Out <= Out + BITS'(OUT);
		end
	end
	always_comb  if(Offered)  assume(ivld);

	if(IN < OUT) begin : genWiden
		always_comb begin
			if(Ready) begin
				`LEMMA(1, dut.genWiden.complete == (dut.genWiden.words.left == '0))
				`LEMMA(1, ahead == BITS'(OUT - IN - IN*32'(dut.genWiden.words.left)) && ahead < OUT)
				for(int unsigned  i = 0; i < OUT - IN; i++)
					if(i < ahead)  `LEMMA(1, dut.genWiden.Rest[(OUT - IN - ahead + i)*BITS +: BITS] == BITS'(Out + i))
			end
		end
	end : genWiden
	else if(IN > OUT) begin : genNarrow
		// A word is taken with its last piece, so the other pieces are sent before it is taken
		uwire [BITS-1:0]  gone = Out - In;
		always_comb begin
			if(Ready)  `LEMMA(1, dut.genNarrow.last == (dut.genNarrow.left == '0))
			if(Ready)  `LEMMA(1, gone == BITS'(IN - OUT - OUT*32'(dut.genNarrow.left)) && gone < IN)
			if(Ready && gone != 0)  `LEMMA(1, Offered)
		end
	end : genNarrow
	else begin : genWires
		always_comb  if(Ready)  `LEMMA(1, ahead == 0)
	end : genWires

	always_comb begin
		if(Ready) begin
			for(int unsigned  i = 0; i < OUT; i++)  if(ovld)  `PROPERTY(2, odat[i] == BITS'(Out + i))
			`PROPERTY(2, ovld == (signed'(there) >= signed'((BITS+1)'(OUT))))	// as soon as all its elements are there
			`PROPERTY(2, irdy == (signed'(ahead) + int'(IN) < int'(OUT) || ordy && signed'(ahead) + int'(IN) <= int'(OUT)))
		end
	end

endmodule : imec_convert_proof
