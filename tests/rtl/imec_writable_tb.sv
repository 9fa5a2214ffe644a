// A generated top level `imec_writable` whose s_axilite channels are streams:
// in1 AWADDR, in2 WDATA, out1 BRESP; in3 ARADDR, out2 { RRESP, RDATA }. One read at a time, like
// FINN's driver: finn-plus's axilite.sv overwrites a reply if another read is in progress.
module imec_writable_tb #(
	int unsigned  IN_BITS,
	int unsigned  OUT_BITS,
	int unsigned  ADDR_BITS
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [IN_BITS-1:0]  in0_V_TDATA,

	input	logic  in1_V_TVALID,
	output	logic  in1_V_TREADY,
	input	logic [ADDR_BITS-1:0]  in1_V_TDATA,

	input	logic  in2_V_TVALID,
	output	logic  in2_V_TREADY,
	input	logic [31:0]  in2_V_TDATA,

	input	logic  in3_V_TVALID,
	output	logic  in3_V_TREADY,
	input	logic [ADDR_BITS-1:0]  in3_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [OUT_BITS-1:0]  out0_V_TDATA,

	output	logic  out1_V_TVALID,
	input	logic  out1_V_TREADY,
	output	logic [1:0]  out1_V_TDATA,

	output	logic  out2_V_TVALID,
	input	logic  out2_V_TREADY,
	output	logic [33:0]  out2_V_TDATA
);
	logic  Reading = 0;
	uwire  arready;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Reading <= 0;
		else           Reading <= Reading? !(out2_V_TVALID && out2_V_TREADY) : in3_V_TVALID && in3_V_TREADY;
	end
	assign	in3_V_TREADY = arready && !Reading;

	imec_writable dut(
		.ap_clk, .ap_rst_n,
		.in0_V_TREADY, .in0_V_TVALID, .in0_V_TDATA,
		.out0_V_TREADY, .out0_V_TVALID, .out0_V_TDATA,

		.s_axilite_AWREADY(in1_V_TREADY), .s_axilite_AWVALID(in1_V_TVALID),
		.s_axilite_AWPROT('0), .s_axilite_AWADDR(in1_V_TDATA),
		.s_axilite_WREADY(in2_V_TREADY), .s_axilite_WVALID(in2_V_TVALID),
		.s_axilite_WDATA(in2_V_TDATA), .s_axilite_WSTRB('1),
		.s_axilite_BREADY(out1_V_TREADY), .s_axilite_BVALID(out1_V_TVALID), .s_axilite_BRESP(out1_V_TDATA),

		.s_axilite_ARREADY(arready), .s_axilite_ARVALID(in3_V_TVALID && !Reading),
		.s_axilite_ARPROT('0), .s_axilite_ARADDR(in3_V_TDATA),
		.s_axilite_RREADY(out2_V_TREADY), .s_axilite_RVALID(out2_V_TVALID),
		.s_axilite_RRESP(out2_V_TDATA[33:32]), .s_axilite_RDATA(out2_V_TDATA[31:0])
	);

endmodule : imec_writable_tb
