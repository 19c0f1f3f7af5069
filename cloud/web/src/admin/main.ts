import { mount } from "svelte";
import "./styles/tokens.css";
import "./styles/shell.css";
import "./styles/controls.css";
import "./styles/pages.css";
import "./styles/devices.css";
import App from "./App.svelte";

const target = document.getElementById("app");
if (target) mount(App, { target });
