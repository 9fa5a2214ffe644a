// imec_output is a stream already. Its next_irdy is checked in every cycle.
module imec_output_tb #(
	int unsigned  WORDS,
	int unsigned  WIDTH
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [WIDTH-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [WIDTH-1:0]  out0_V_TDATA
);
	uwire  next_irdy;
	imec_output #(.WORDS(WORDS), .WIDTH(WIDTH)) dut(
		.clk(ap_clk), .rst(!ap_rst_n),
		.ivld(in0_V_TVALID), .irdy(in0_V_TREADY), .next_irdy, .idat(in0_V_TDATA),
		.ovld(out0_V_TVALID), .ordy(out0_V_TREADY), .odat(out0_V_TDATA)
	);

	logic  Promised = 0, Known = 0;
	always_ff @(posedge ap_clk) begin
		Known    <= ap_rst_n;
		Promised <= next_irdy;
		if(Known && ap_rst_n && in0_V_TREADY != Promised)  $fatal(1, "irdy is not what next_irdy said.");
	end

endmodule : imec_output_tb
