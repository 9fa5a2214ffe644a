/****************************************************************************
 * @brief	Proof that imec_queue is a FIFO.
 *
 * @description
 *	Words carry their number modulo 2**BITS, a range above what the queue holds. Reset
 *	and both handshakes are free in every cycle.
 ***************************************************************************/
`include "claims.svh"

module imec_queue_proof #(
	int unsigned  LEVEL,
	int unsigned  DEPTH
)(
	input	logic  clk,
	input	logic  rst,
	input	logic  ivld,
	input	logic  ordy
);
	localparam int unsigned  BITS = $clog2(DEPTH + 1) + 1;
	logic [BITS-1:0]  In, Out;	// numbers of the next words
	uwire [BITS-1:0]  n = In - Out;

	uwire  irdy, ovld;
	uwire [BITS-1:0]  odat;
	imec_queue #(.DEPTH(DEPTH), .WIDTH(BITS)) dut(.clk, .rst, .ivld, .irdy, .idat(In), .ovld, .ordy, .odat);

	logic  Ready = 0;	// has been reset
	always_ff @(posedge clk) begin
		if(rst) begin
			Ready <= 1;
			{ In, Out } <= '0;
		end
		else begin
			if(ivld && irdy)  In  <= In  + 1'b1;
			if(ovld && ordy)  Out <= Out + 1'b1;
		end
	end

	if(DEPTH > 0) begin : genMemory
		localparam int unsigned  ADDR_BITS = $clog2(DEPTH);
		always_comb begin
			if(Ready) begin
				`LEMMA(1, n <= DEPTH && BITS'(dut.genMemory.Last) == n - 1'b1)
				`LEMMA(1, dut.genMemory.ReadAddr == ADDR_BITS'(Out) && dut.genMemory.WriteAddr == ADDR_BITS'(In))
			end
		end
		for(genvar  i = 0; i < DEPTH; i++) begin : genPlace
			always_comb  if(Ready && i < n)  `LEMMA(1, dut.genMemory.Mem[ADDR_BITS'(Out + i)] == BITS'(Out + i))
		end : genPlace
	end : genMemory
	else begin : genWires
		always_comb  if(Ready)  `LEMMA(1, n == 0)
	end : genWires

	always_comb begin
		if(Ready) begin
			`PROPERTY(2, n <= DEPTH)
			if(ovld)  `PROPERTY(2, odat == Out)
			`PROPERTY(2, ovld == (DEPTH == 0? ivld : n != 0))
			`PROPERTY(2, irdy == (DEPTH == 0? ordy : n != DEPTH))
		end
	end

endmodule : imec_queue_proof
