/****************************************************************************
 * @brief	Delay by a fixed number of steps.
 *
 * @description
 *	q is d from STEPS cycles with en high before. STEPS = 0 is a wire.
 *
 *	Has no reset, so that synthesis may use addressable shift registers.
 ***************************************************************************/
module imec_delay #(
	int unsigned  WIDTH,
	int unsigned  STEPS
)(
	input	logic  clk,

	input	logic  en,
	input	logic [WIDTH-1:0]  d,
	output	logic [WIDTH-1:0]  q
);
	if(STEPS == 0) begin : genWire
		assign	q = d;
	end : genWire
	else begin : genShift
		logic [STEPS-1:0][WIDTH-1:0]  Word;
		always_ff @(posedge clk)  if(en)  Word <= (STEPS*WIDTH)'({ Word, d });
		assign	q = Word[STEPS-1];
	end : genShift

endmodule : imec_delay
