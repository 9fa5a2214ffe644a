/****************************************************************************
 * @brief	One stream to N copies: behavioral model of FINN's DuplicateStreams_hls.
 *
 * @description
 *	        +--> out[0]
 *	in0 --||+--> out[1]
 *	        +--> ..
 *
 *	A word is taken once every output has sent the one before, or sends it in this
 *	cycle. The outputs need not send in the same cycle.
 ***************************************************************************/
module sim_duplicate #(
	int unsigned  N,
	int unsigned  WIDTH
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic [WIDTH-1:0]  in0_V_TDATA,
	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,

	output	logic [N-1:0][WIDTH-1:0]  out_V_TDATA,
	output	logic [N-1:0]  out_V_TVALID,
	input	logic [N-1:0]  out_V_TREADY
);
	if(N < 1)  $error("N=%0d must be at least 1.", N);

	logic [WIDTH-1:0]  Dat = '0;
	logic [N-1:0]  Vld = '0;

	assign	in0_V_TREADY = (Vld & ~out_V_TREADY) == '0;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Vld <= '0;
		else begin
			Vld <= Vld & ~out_V_TREADY;
			if(in0_V_TVALID && in0_V_TREADY) begin
				Dat <= in0_V_TDATA;
				Vld <= '1;
			end
		end
	end
	assign	out_V_TDATA  = { N{Dat} };
	assign	out_V_TVALID = Vld;

endmodule : sim_duplicate
